{{/* What servers connect to outside of the cluster's own: a collector of traces. */}}

{{/* Variables, name to value. */}}
{{- define "chancery.outsideVariables" -}}
{{- $variables := dict -}}
{{- with .Values.tracing.endpoint -}}
{{- $_ := set $variables "OTEL_EXPORTER_OTLP_ENDPOINT" . -}}
{{- end -}}
{{- toYaml $variables -}}
{{- end }}
