{{/*
The Deployment of a component.
dict: root, component (its name), own (its values), api (does it talk to Kubernetes?), grace (seconds), and texts with more
of the pod: inits (init containers), container (fields of the container), mounts, volumes
*/}}
{{- define "airflow.deployment" -}}
{{- $root := .root }}{{ $own := .own }}{{ $who := list .root .component }}{{ $whose := append $who $own -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "airflow.name" $root }}-{{ .component }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "airflow.labels" $who | nindent 4 }}
spec:
  replicas: {{ $own.replicas }}
  selector:
    matchLabels:
      {{- include "airflow.selector" $who | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "airflow.selector" $who | nindent 8 }}
      annotations:
        # New environment: new pods. Pod templates are read without a restart.
        checksum/env: {{ include "airflow.environment" $root | sha256sum }}
        {{- with $own.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "airflow.serviceAccount" $whose }}
      automountServiceAccountToken: {{ .api }}
      {{- include "airflow.placement" (list $root $own) | nindent 6 }}
      terminationGracePeriodSeconds: {{ .grace | default 30 }}
      initContainers:
        {{- $wait := list "airflow" "db" "check-migrations" "--migration-wait-timeout=300" }}
        {{- include "airflow.initContainer" (dict "root" $root "own" $own "name" "wait-for-migrations" "args" $wait) | nindent 8 }}
        {{- if and (include "airflow.readsDags" $whose) (eq $root.Values.dags.source "gitSync") }}
        {{- include "airflow.gitSync" (list $root false) | nindent 8 }}
        {{- end }}
        {{- with .inits }}
        {{- . | nindent 8 }}
        {{- end }}
      containers:
        - name: {{ .component }}
          {{- include "airflow.image" $root | nindent 10 }}
          {{- include "airflow.containerSecurity" $root | nindent 10 }}
          args:
            {{- toYaml $own.args | nindent 12 }}
          {{- include "airflow.env" (list $root $own) | nindent 10 }}
          {{- .container | nindent 10 }}
          {{- with $own.resources }}
          resources:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          volumeMounts:
            {{- include "airflow.volumeMounts" $whose | nindent 12 }}
            {{- with .mounts }}
            {{- . | nindent 12 }}
            {{- end }}
      volumes:
        {{- include "airflow.volumes" $whose | nindent 8 }}
        {{- with .volumes }}
        {{- . | nindent 8 }}
        {{- end }}
{{- end }}

{{/* A liveness probe that asks the database for this component's job. The argument is the job's type. */}}
{{- define "airflow.jobProbe" -}}
livenessProbe:
  exec:
    command: [airflow, jobs, check, --job-type, {{ . }}, --local]
  initialDelaySeconds: 60
  periodSeconds: 60
  failureThreshold: 5
  timeoutSeconds: 30
{{- end }}
