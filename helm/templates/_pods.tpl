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
  {{- with concat $root.Values.env $own.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* (list root values-of-the-component) */}}
{{- define "airflow.volumeMounts" -}}
{{- $root := index . 0 }}{{ $own := index . 1 -}}
{{- $own.volumeMounts | default list | concat (include "airflow.chartMounts" $root | fromYamlArray) | toYaml }}
{{- end }}

{{- define "airflow.chartMounts" -}}
- name: logs
  mountPath: /opt/airflow/logs
{{- if ne .Values.dags.source "image" }}
- name: dags
  mountPath: {{ .Values.dags.path }}
  {{- if eq .Values.dags.source "volume" }}
  readOnly: true
  {{- end }}
{{- end }}
{{- end }}

{{/* (list root values-of-the-component) */}}
{{- define "airflow.volumes" -}}
{{- $root := index . 0 }}{{ $own := index . 1 -}}
{{- $own.volumes | default list | concat (include "airflow.chartVolumes" $root | fromYamlArray) | toYaml }}
{{- end }}

{{- define "airflow.chartVolumes" -}}
- name: logs
{{- if .Values.logs.persistence.enabled }}
  persistentVolumeClaim:
    claimName: {{ default (printf "%s-logs" (include "airflow.name" .)) .Values.logs.persistence.existingClaim }}
{{- else }}
  emptyDir: {}
{{- end }}
{{- if eq .Values.dags.source "volume" }}
- name: dags
  persistentVolumeClaim:
    claimName: {{ default (printf "%s-dags" (include "airflow.name" .)) .Values.dags.volume.existingClaim }}
    readOnly: true
{{- else if eq .Values.dags.source "gitSync" }}
- name: dags
  emptyDir: {}
{{- end }}
{{- end }}

{{/* git-sync, once before a worker starts or beside a component for ever. (list root once) */}}
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
    - --period={{ $git.period }}
    {{- if $once }}
    - --one-time
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
  {{- if not $once }}
  restartPolicy: Always
  {{- end }}
{{- end }}

{{/* Waits until the migration job is done. */}}
{{- define "airflow.waitForMigrations" -}}
- name: wait-for-migrations
  {{- include "airflow.image" . | nindent 2 }}
  {{- include "airflow.containerSecurity" . | nindent 2 }}
  args: [airflow, db, check-migrations, --migration-wait-timeout=300]
  {{- include "airflow.env" (list . (dict "env" list)) | nindent 2 }}
{{- end }}

{{/* Where Airflow finds the DAGs. */}}
{{- define "airflow.dagsFolder" -}}
{{- $git := .Values.dags.gitSync -}}
{{- if eq .Values.dags.source "gitSync" }}{{ printf "%s/current/%s" .Values.dags.path $git.subPath | trimSuffix "/" }}{{ else }}{{ .Values.dags.path }}{{ end }}
{{- end }}

{{/* Airflow's simple auth manager opens its file for writing: a copy of the Secret. */}}
{{- define "airflow.writableUsers" -}}
- name: users
  {{- include "airflow.image" . | nindent 2 }}
  {{- include "airflow.containerSecurity" . | nindent 2 }}
  args: [bash, -c, cp /opt/airflow/passwords/passwords.json /opt/airflow/auth/passwords.json]
  volumeMounts:
    - name: users
      mountPath: /opt/airflow/auth
    - name: passwords
      mountPath: /opt/airflow/passwords
      readOnly: true
{{- end }}
