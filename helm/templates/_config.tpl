{{/* Airflow's options as environment: AIRFLOW__SECTION__OPTION. */}}

{{/* section -> option -> value, as a map of environment variables. */}}
{{- define "airflow.asEnvironment" -}}
{{- range $section, $options := . }}
{{- range $option, $value := $options }}
AIRFLOW__{{ $section | replace "." "_" | upper }}__{{ $option | upper }}: {{ $value | toString | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* What components and workers share. */}}
{{- define "airflow.commonOptions" -}}
core:
  dags_folder: {{ include "airflow.dagsFolder" . }}
  execution_api_server_url: http://{{ include "airflow.name" . }}-api-server.{{ .Release.Namespace }}:{{ .Values.apiServer.service.port }}/execution/
{{- if .Values.logs.remote.enabled }}
logging:
  remote_logging: "True"
  remote_base_log_folder: {{ required "logs.remote.folder: where task logs go is needed where logs.remote.enabled is true" .Values.logs.remote.folder }}
  {{- with .Values.logs.remote.connection }}
  remote_log_conn_id: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "airflow.executorOptions" -}}
core:
  executor: {{ .Values.executor.class }}
  {{- if not .Values.config.core.auth_manager }}
  simple_auth_manager_users: {{ .Values.apiServer.user }}:admin
  simple_auth_manager_passwords_file: /opt/airflow/auth/passwords.json
  {{- end }}
scheduler:
  enable_health_check: "True"
kubernetes_executor:
  namespace: {{ .Release.Namespace }}
  pod_template_file: /opt/airflow/pod_templates/pod_template_file.yaml
  {{- if or .Values.executor.clusterWide .Values.executor.namespaces }}
  multi_namespace_mode: "True"
  {{- end }}
  {{- if and .Values.executor.namespaces (not .Values.executor.clusterWide) }}
  multi_namespace_mode_namespace_list: {{ include "airflow.taskNamespaces" . | fromJsonArray | join "," }}
  {{- end }}
kubernetes_pod_executor:
  deployment_id: {{ printf "%s.%s" .Release.Namespace .Release.Name | trunc 63 | trimSuffix "." | trimSuffix "-" }}
  pod_templates_folder: /opt/airflow/pod_templates
  {{- with .Values.envSecrets }}
  env_secrets: {{ toJson . | quote }}
  {{- end }}
{{- end }}

{{/* Environment of the components: ours, then config, then executor.config. */}}
{{- define "airflow.environment" -}}
{{- $ours := mergeOverwrite (include "airflow.executorOptions" . | fromYaml) (include "airflow.commonOptions" . | fromYaml) -}}
{{- include "airflow.asEnvironment" (mergeOverwrite $ours (deepCopy .Values.config) (deepCopy .Values.executor.config)) }}
{{- end }}

{{/* Environment of the workers: they have no database and launch nothing. */}}
{{- define "airflow.workerEnvironment" -}}
{{- $ours := include "airflow.commonOptions" . | fromYaml -}}
{{- include "airflow.asEnvironment" (mergeOverwrite $ours (omit (deepCopy .Values.config) "database" "scheduler" "api_auth" "api")) }}
{{- end }}

{{/* Values that contradict each other. */}}
{{- define "airflow.check" -}}
{{- if hasKey (.Values.config.core | default dict) "executor" }}
{{- fail "config.core.executor: name the executor in executor.class" }}
{{- end }}
{{- range $section := list "kubernetes_executor" "kubernetes_pod_executor" }}
{{- if hasKey $.Values.config $section }}
{{- fail (printf "config.%s: its options belong into executor.config.%s" $section $section) }}
{{- end }}
{{- end }}
{{- if and .Values.postgresql.enabled .Values.externalDatabase.secret }}
{{- fail "externalDatabase.secret: set postgresql.enabled to false, or there are two databases" }}
{{- end }}
{{- range $name, $text := .Values.podTemplates }}
{{- if eq $name "pod_template_file" }}
{{- fail "podTemplates.pod_template_file: that name is the default's, podTemplate" }}
{{- end }}
{{- end }}
{{- end }}
