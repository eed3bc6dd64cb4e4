{{/* The volumes of Airflow's containers: logs, DAG files where they are needed, and those of the values. */}}

{{/* "true" where DAG files lie on a volume and this component reads them: workers, the DAG processor, LocalExecutor. (list root component) */}}
{{- define "airflow.readsDags" -}}
{{- $root := index . 0 }}{{ $component := index . 1 -}}
{{- $here := has $component (list "worker" "dag-processor") | or (and (eq $component "scheduler") (contains "LocalExecutor" $root.Values.executor.class)) -}}
{{- if and $here (ne $root.Values.dags.source "image") }}true{{ end }}
{{- end }}

{{/* (list root component values-of-the-component) */}}
{{- define "airflow.volumeMounts" -}}
{{- $root := index . 0 }}{{ $own := index . 2 -}}
- name: logs
  mountPath: /opt/airflow/logs
{{- if include "airflow.readsDags" . }}
- name: dags
  mountPath: {{ $root.Values.dags.path }}
  readOnly: true
{{- end }}
{{- with $own.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* (list root component values-of-the-component) */}}
{{- define "airflow.volumes" -}}
{{- $root := index . 0 }}{{ $own := index . 2 }}{{ $name := include "airflow.name" $root -}}
- name: logs
{{- if $root.Values.logs.persistence.enabled }}
  persistentVolumeClaim:
    claimName: {{ default (printf "%s-logs" $name) $root.Values.logs.persistence.existingClaim }}
{{- else }}
  emptyDir: {}
{{- end }}
{{- if include "airflow.readsDags" . }}
- name: dags
{{- if eq $root.Values.dags.source "volume" }}
  persistentVolumeClaim:
    claimName: {{ default (printf "%s-dags" $name) $root.Values.dags.volume.existingClaim }}
    readOnly: true
{{- else }}
  emptyDir: {}
{{- with $root.Values.dags.gitSync.sshSecret }}
- name: git-ssh
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- end }}
{{- with $own.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Where Airflow finds the DAGs. */}}
{{- define "airflow.dagsFolder" -}}
{{- if eq .Values.dags.source "gitSync" }}{{ printf "%s/current/%s" .Values.dags.path .Values.dags.gitSync.subPath | trimSuffix "/" }}{{ else }}{{ .Values.dags.path }}{{ end }}
{{- end }}

{{/* git-sync, once before a worker starts, or beside a component for ever. (list root once) */}}
{{- define "airflow.gitSync" -}}
{{- $root := index . 0 }}{{ $once := index . 1 }}{{ $git := $root.Values.dags.gitSync -}}
- name: git-sync
  image: {{ $git.image | quote }}
  {{- include "airflow.containerSecurity" $root | nindent 2 }}
  args:
    - --repo={{ required "dags.gitSync.repo: the repository's address is needed where dags.source is gitSync" $git.repo }}
    - --ref={{ $git.ref }}
    - --root={{ $root.Values.dags.path }}
    - --link=current
    {{- if $once }}
    - --one-time
    - --max-failures=3
    {{- else }}
    - --period={{ $git.period }}
    - --max-failures=-1
    - --http-bind=:1234
    {{- end }}
    {{- if $git.sshSecret }}
    - --add-user
    {{- end }}
  {{- with $git.credentialsSecret }}
  envFrom:
    - secretRef:
        name: {{ . }}
  {{- end }}
  {{- with $git.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - name: dags
      mountPath: {{ $root.Values.dags.path }}
    {{- if $git.sshSecret }}
    - name: git-ssh
      mountPath: /etc/git-secret
      readOnly: true
    {{- end }}
  {{- if not $once }}
  restartPolicy: Always
  # The component starts when the first checkout is there.
  startupProbe:
    httpGet:
      path: /
      port: 1234
    periodSeconds: 2
    failureThreshold: 150
  {{- end }}
{{- end }}
