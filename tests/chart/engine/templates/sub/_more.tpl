{{- define "engine.twice" -}}sub{{- end }}
{{- define "engine.files" -}}
{{- range $path, $_ := .Files.Glob "files/*" }}
{{ base $path }}: {{ $.Files.Get $path | quote }}
{{- end }}
{{- end }}
