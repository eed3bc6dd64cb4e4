{{- define "engine.name" -}}{{ .Release.Name }}-{{ .Values.name }}{{- end }}
{{- define "engine.twice" -}}helpers{{- end }}
