{{/* Where there are several replicas: a budget for one alone would hold every drain of its node up. Arguments: root, component, values. */}}
{{- define "chancery.podDisruptionBudget" -}}
{{- if and .values.podDisruptionBudget.enabled (gt (int64 .values.replicaCount) 1) }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "chancery.metadata" (merge (dict "name" (printf "%s-%s" (include "chancery.fullname" .root) .component)) .) | nindent 2 }}
spec:
  maxUnavailable: {{ .values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "chancery.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}
