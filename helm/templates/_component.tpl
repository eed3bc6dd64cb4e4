{{/*
The Deployment of a component.
dict: root, component (its name), own (its values), dags (does it read DAG files?), inits (text), ports, probes, mounts and volumes (more of them; lists)
*/}}
{{- define "airflow.deployment" -}}
{{- $root := .root }}{{ $own := .own }}{{ $who := list .root .component -}}
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
      serviceAccountName: {{ include "airflow.serviceAccount" (list $root .component $own) }}
      {{- include "airflow.placement" (list $root $own) | nindent 6 }}
      terminationGracePeriodSeconds: {{ .grace | default 30 }}
      initContainers:
        {{- include "airflow.waitForMigrations" $root | nindent 8 }}
        {{- if and .dags (eq $root.Values.dags.source "gitSync") }}
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
          {{- with .ports }}
          ports:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- toYaml .probes | nindent 10 }}
          {{- with $own.resources }}
          resources:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          volumeMounts:
            {{- include "airflow.volumeMounts" (list $root $own) | nindent 12 }}
            {{- with .mounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        {{- include "airflow.volumes" (list $root $own) | nindent 8 }}
        {{- with .volumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end }}
