{{/* Airflow's options as environment: AIRFLOW__SECTION__OPTION. */}}

{{/* section -> option -> value, as a map of environment variables. */}}
{{- define "airflow.asEnvironment" -}}
{{- range $section, $options := . }}
{{- range $option, $value := $options }}
AIRFLOW__{{ $section | replace "." "_" | upper }}__{{ $option | upper }}: {{ include "airflow.asText" $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* An option's value. Lists and maps become JSON; whole numbers have no exponent, which Helm gives the large ones. */}}
{{- define "airflow.asText" -}}
{{- if or (kindIs "map" .) (kindIs "slice" .) }}{{ toJson . }}
{{- else if kindIs "float64" . }}{{ ternary (int64 . | toString) (toString .) (eq (floor .) .) }}
{{- else }}{{ toString . }}
{{- end }}
{{- end }}

{{/* What components and workers share. */}}
{{- define "airflow.commonOptions" -}}
core:
  dags_folder: {{ include "airflow.dagsFolder" . }}
  execution_api_server_url: {{ include "airflow.executionUrl" . }}
{{- if .Values.logs.remote.enabled }}
logging:
  remote_logging: "True"
  remote_base_log_folder: {{ required "logs.remote.folder: where task logs go is needed where logs.remote.enabled is true" .Values.logs.remote.folder | quote }}
  {{- with .Values.logs.remote.connection }}
  remote_log_conn_id: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Below the path of [api] base_url, where Airflow serves what workers call, and only there. */}}
{{- define "airflow.executionPath" -}}
{{ (urlParse ((.Values.config.api).base_url | default "")).path | trimSuffix "/" }}/execution/
{{- end }}

{{- define "airflow.executionUrl" -}}
http://{{ include "airflow.name" . }}-api-server.{{ .Release.Namespace }}:{{ .Values.apiServer.service.port }}{{ include "airflow.executionPath" . }}
{{- end }}

{{- define "airflow.componentOptions" -}}
core:
  executor: {{ .Values.executor.class }}
  # Names of pods are no host names; the API server asks the triggerer for its logs.
  hostname_callable: airflow.utils.net.get_host_ip_address
  {{- if include "airflow.simpleAuth" . }}
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
  deployment_id: {{ include "airflow.deploymentId" . }}
  pod_templates_folder: /opt/airflow/pod_templates
  {{- with .Values.envSecrets }}
  env_secrets: {{ toJson . | quote }}
  {{- end }}
{{- end }}

{{/* "true" where Airflow's simple auth manager is used, which is where no other one is named. */}}
{{- define "airflow.simpleAuth" -}}
{{- if not (.Values.config.core).auth_manager }}true{{ end }}
{{- end }}

{{/* The image's entrypoint need not wait for a database: the components wait for the migration, workers have none. */}}
{{- define "airflow.imageEnvironment" -}}
CONNECTION_CHECK_MAX_COUNT: "0"
{{- end }}

{{/* Environment of the components: ours, then config, then executor.config. */}}
{{- define "airflow.environment" -}}
{{- $ours := mergeOverwrite (include "airflow.componentOptions" . | fromYaml) (include "airflow.commonOptions" . | fromYaml) -}}
{{- include "airflow.imageEnvironment" . }}
{{- include "airflow.asEnvironment" (mergeOverwrite $ours (deepCopy .Values.config) (deepCopy .Values.executor.config)) }}
{{- end }}

{{/* Environment of the workers, who have no database, sign nothing and launch nothing: config without those sections. */}}
{{- define "airflow.workerEnvironment" -}}
{{- $ours := include "airflow.commonOptions" . | fromYaml -}}
{{- $config := omit (deepCopy .Values.config) "api" "api_auth" "database" "fab" "scheduler" "triggerer" -}}
{{- with (.Values.config.api).base_url }}
{{- $_ := set $config "api" (dict "base_url" .) }}
{{- end }}
{{- include "airflow.imageEnvironment" . }}
{{- include "airflow.asEnvironment" (mergeOverwrite $ours $config) }}
{{- end }}

{{/* Values that contradict each other, beyond what values.schema.json refuses. */}}
{{- define "airflow.check" -}}
{{- if hasKey (.Values.config.core | default dict) "executor" }}
{{- fail "config.core.executor: name the executor in executor.class" }}
{{- end }}
{{- range $section := list "kubernetes_executor" "kubernetes_pod_executor" }}
{{- if hasKey $.Values.config $section }}
{{- fail (printf "config.%s: its options belong into executor.config.%s" $section $section) }}
{{- end }}
{{- end }}
{{- $keys := dict "core.fernet_key" "secrets.fernetKey" "api.secret_key" "secrets.apiSecretKey" "api_auth.jwt_secret" "secrets.jwtSecret" "database.sql_alchemy_conn" "externalDatabase.secret" }}
{{- range $option, $place := $keys }}
{{- $path := splitList "." $option }}
{{- if hasKey (get $.Values.config (first $path) | default dict) (last $path) }}
{{- fail (printf "config.%s: everybody who may read ConfigMaps would see it; it belongs into %s" $option $place) }}
{{- end }}
{{- end }}
{{- if and .Values.postgresql.enabled .Values.externalDatabase.secret }}
{{- fail "externalDatabase.secret: set postgresql.enabled to false, or there are two databases" }}
{{- end }}
{{- if hasKey .Values.podTemplates "pod_template_file" }}
{{- fail "podTemplates.pod_template_file: that name is the default's, podTemplate" }}
{{- end }}
{{- if has .Release.Namespace .Values.executor.namespaces }}
{{- fail "executor.namespaces: the release's own namespace is always one of them; leave it out" }}
{{- end }}
{{- end }}
