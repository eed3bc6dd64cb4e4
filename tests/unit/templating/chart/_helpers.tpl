{{/* Names. */}}
{{- define "demo.fullname" -}}
{{- if .Values.nameOverride -}}
{{- .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "demo.image" -}}
{{ printf "%s:%s" (.Values.image.repository | default "apache/airflow") (.Values.image.tag | default "3.3.2") }}
{{- end -}}

{{- define "demo.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "demo.secret" -}}
{{- $ := last . -}}
{{- default (printf "%s-%s" (include "demo.fullname" $) (first .)) (index $.Values.secretNames (first .)) -}}
{{- end -}}

{{- define "demo.env" }}
{{- range $name, $option := .Values.options }}
- name: AIRFLOW__{{ $name | upper | replace "." "__" }}
  {{- if kindIs "map" $option }}
  valueFrom:
    secretKeyRef:
      name: {{ include "demo.secret" (list $option.secret $) }}
      key: {{ $option.key | default "value" }}
  {{- else }}
  value: {{ $option | quote }}
  {{- end }}
{{- end }}
{{- $seen := dict }}
{{- range .Values.env }}
{{- if hasKey $seen .name }}{{ continue }}{{ end }}
{{- $_ := set $seen .name true }}
- name: {{ .name }}
  value: {{ tpl (toString .value) $ | quote }}
{{- end }}
{{- end -}}

{{- define "demo.gitsync" -}}
name: git-sync{{ if .init }}-init{{ end }}
image: {{ .root.Values.gitSync.image }}
env:
{{- range $key, $value := merge (dict "one_time" (ternary "true" "false" .init)) .root.Values.gitSync.settings }}
- name: GITSYNC_{{ upper $key }}
  value: {{ $value | quote }}
{{- end }}
volumeMounts:
- name: dags
  mountPath: {{ .root.Values.gitSync.path | default "/git" }}
{{- with .root.Values.gitSync.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "demo.security" -}}
{{- $found := false -}}
{{- range . -}}
{{- if and (not $found) . -}}
{{- $found = true -}}
{{- toYaml . -}}
{{- break -}}
{{- end -}}
{{- end -}}
{{- end -}}
