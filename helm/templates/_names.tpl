{{/* Names and labels. */}}

{{- define "airflow.name" -}}
{{- default .Release.Name .Values.fullnameOverride | replace "." "-" | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* What Services, Deployments and budgets select by. (list root component) */}}
{{- define "airflow.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: airflow
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* (list root component) */}}
{{- define "airflow.labels" -}}
{{- $root := index . 0 -}}
{{ include "airflow.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | quote }}
{{- end }}

{{/* (list root component values-of-the-component) */}}
{{- define "airflow.serviceAccount" -}}
{{- $account := (index . 2).serviceAccount -}}
{{- $made := printf "%s-%s" (include "airflow.name" (index . 0)) (index . 1) -}}
{{- default $made $account.name }}
{{- end }}

{{/* The Secret with Airflow's keys. */}}
{{- define "airflow.keys" -}}
{{- default (printf "%s-keys" (include "airflow.name" .)) .Values.secrets.existing }}
{{- end }}

{{/* The Secret with the database's URL, and its key. */}}
{{- define "airflow.databaseSecret" -}}
{{- if .Values.postgresql.enabled }}{{ include "airflow.name" . }}-postgresql{{ else }}{{ required "externalDatabase.secret: the name of a Secret with the database's URL is needed where postgresql.enabled is false" .Values.externalDatabase.secret }}{{ end }}
{{- end }}

{{- define "airflow.databaseKey" -}}
{{- ternary "connection" .Values.externalDatabase.key .Values.postgresql.enabled }}
{{- end }}

{{/* What marks all pods of this release, whatever their template: the executor's label `airflow-deployment`. */}}
{{- define "airflow.deploymentId" -}}
{{- $made := printf "%s.%s" .Release.Namespace .Release.Name -}}
{{- $short := ternary $made (sha256sum $made | trunc 63) (le (len $made) 63) -}}
{{- ((.Values.executor.config).kubernetes_pod_executor).deployment_id | default $short }}
{{- end }}

{{/* Namespaces that tasks run in: the release's own and executor.namespaces. A JSON list. */}}
{{- define "airflow.taskNamespaces" -}}
{{- concat (list .Release.Namespace) .Values.executor.namespaces | uniq | toJson }}
{{- end }}
