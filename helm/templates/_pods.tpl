{{/* What the pods of this chart have in common. */}}

{{- define "airflow.image" -}}
image: {{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{- define "airflow.containerSecurity" -}}
securityContext:
  {{- toYaml .Values.containerSecurityContext | nindent 2 }}
{{- end }}

{{/* Where a pod may run, as whom, and what it may pull. (list root values-of-the-component) */}}
{{- define "airflow.placement" -}}
{{- $root := index . 0 }}{{ $own := index . 1 -}}
securityContext:
  {{- toYaml $root.Values.podSecurityContext | nindent 2 }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* Environment of a component (not of workers): ConfigMap, keys, database. (list root values-of-the-component) */}}
{{- define "airflow.env" -}}
{{- $root := index . 0 }}{{ $own := index . 1 }}{{ $keys := include "airflow.keys" $root -}}
envFrom:
  - configMapRef:
      name: {{ include "airflow.name" $root }}-env
  {{- with $root.Values.envFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
env:
  - name: AIRFLOW__DATABASE__SQL_ALCHEMY_CONN
    valueFrom:
      secretKeyRef:
        name: {{ include "airflow.databaseSecret" $root }}
        key: {{ include "airflow.databaseKey" $root }}
  - name: AIRFLOW__CORE__FERNET_KEY
    valueFrom:
      secretKeyRef:
        name: {{ $keys }}
        key: fernet-key
  - name: AIRFLOW__API_AUTH__JWT_SECRET
    valueFrom:
      secretKeyRef:
        name: {{ $keys }}
        key: jwt-secret
  - name: AIRFLOW__API__SECRET_KEY
    valueFrom:
      secretKeyRef:
        name: {{ $keys }}
        key: api-secret-key
  {{- with concat $root.Values.env ($own.env | default list) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* A container that runs before a component's own, as large as that. dict: root, own, name, args */}}
{{- define "airflow.initContainer" -}}
- name: {{ .name }}
  {{- include "airflow.image" .root | nindent 2 }}
  {{- include "airflow.containerSecurity" .root | nindent 2 }}
  args:
    {{- toYaml .args | nindent 4 }}
  {{- include "airflow.env" (list .root .own) | nindent 2 }}
  {{- with .own.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
