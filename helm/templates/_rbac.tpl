{{/* Exactly what each component asks of the API server. */}}

{{- define "airflow.schedulerRules" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [create, get, list, watch, delete, patch]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, patch, list, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [list]
{{- end }}

{{- define "airflow.apiServerRules" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
{{- end }}

{{/* The KubernetesPodOperator and container tasks, on workers and on the triggerer. */}}
{{- define "airflow.podOperatorRules" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [create, get, list, watch, delete, patch]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [pods/exec]
  verbs: [create, get]
- apiGroups: [""]
  resources: [events]
  verbs: [list, watch]
{{- end }}

{{/*
A role and its binding.
dict: root, kind (Role or ClusterRole), namespace ("" for a ClusterRole), of (a name), rules (text), accounts (namespace/name, a list)
*/}}
{{- define "airflow.role" -}}
{{- $name := printf "%s-%s" (include "airflow.name" .root) .of -}}
{{- if eq .kind "ClusterRole" }}{{ $name = printf "%s-%s" .root.Release.Namespace $name }}{{ end -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}
metadata:
  name: {{ $name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "airflow.labels" (list .root .of) | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: {{ $name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "airflow.labels" (list .root .of) | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ $name }}
subjects:
  {{- range uniq .accounts }}
  - kind: ServiceAccount
    name: {{ base . }}
    namespace: {{ dir . }}
  {{- end }}
{{- end }}
