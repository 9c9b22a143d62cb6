{{/* What all pods have in common. Arguments: root, component, values (of the component), and if need be annotations. */}}

{{- define "chancery.podMetadata" -}}
{{- $ours := include "chancery.selectorLabels" . | fromYaml -}}
{{- $scraping := dict -}}
{{- if .root.Values.prometheusAnnotations.enabled }}{{ $scraping = include "chancery.scraping" . | fromYaml }}{{ end -}}
labels:
  {{- mergeOverwrite (deepCopy .root.Values.additionalLabels) .values.podLabels $ours | toYaml | nindent 2 }}
annotations:
  {{- mergeOverwrite (deepCopy .root.Values.additionalAnnotations) $scraping .values.podAnnotations (default dict .annotations) (dict "kubectl.kubernetes.io/default-container" .component) | toYaml | nindent 2 }}
{{- end }}

{{/* By which a Prometheus without an operator finds and scrapes pods. */}}
{{- define "chancery.scraping" -}}
{{- $ports := dict "ca" 8111 "apiserver" (int64 .root.Values.apiserver.securePort) "controller" 8114 "injector" 8116 -}}
prometheus.io/scrape: "true"
prometheus.io/scheme: {{ ternary "http" "https" (has .component (list "controller" "injector")) }}
prometheus.io/port: {{ get $ports .component | quote }}
prometheus.io/path: /metrics
{{- end }}

{{- define "chancery.podSpec" -}}
{{- $root := .root -}}
{{- $scheduling := $root.Values.customScheduling -}}
serviceAccountName: {{ include "chancery.fullname" $root }}-{{ .component }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- if $root.Values.userNamespaces }}
hostUsers: false
{{- end }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range ternary (list .) . (kindIs "string" .) }}
  - name: {{ ternary . (get (ternary dict . (kindIs "string" .)) "name") (kindIs "string" .) | quote }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- if not $root.Values.openshift.enabled }}
  runAsUser: {{ int64 $root.Values.runAsUser }}
  runAsGroup: {{ int64 $root.Values.runAsUser }}
  fsGroup: {{ int64 $root.Values.runAsUser }}
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile: {type: RuntimeDefault}
terminationGracePeriodSeconds: {{ int64 .values.terminationGracePeriodSeconds }}
{{- with default $scheduling.priorityClassName .values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with default $scheduling.affinity .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with mergeOverwrite (deepCopy $scheduling.nodeSelector) .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat $scheduling.tolerations .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.topologySpreadConstraints }}
{{- $own := dict "labelSelector" (dict "matchLabels" (include "chancery.selectorLabels" $ | fromYaml)) }}
topologySpreadConstraints:
  {{- range . }}
  - {{- ternary . (merge (deepCopy $own) .) (hasKey . "labelSelector") | toYaml | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Of a Deployment whose pods have ports of their nodes: a new one may find none that is free before an old one is gone. */}}
{{- define "chancery.strategyOnNodes" -}}
strategy:
  type: RollingUpdate
  rollingUpdate: {maxSurge: 0, maxUnavailable: 1}
{{- end }}

{{- define "chancery.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* What a kubelet would mount by itself, had it not been told not to. */}}
{{- define "chancery.kubernetesAccess" -}}
name: kubernetes-access
projected:
  defaultMode: 420
  sources:
    - serviceAccountToken: {path: token, expirationSeconds: 3607}
    - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
    - downwardAPI: {items: [{path: namespace, fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}]}
{{- end }}

{{- define "chancery.kubernetesAccessMount" -}}
{name: kubernetes-access, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- end }}

{{/* What an agent starts with: a token for the authority, and the roots by which to believe it. */}}
{{- define "chancery.bootstrap" -}}
name: bootstrap
projected:
  defaultMode: 420
  sources:
    - serviceAccountToken: {audience: {{ .Values.audience | quote }}, expirationSeconds: 3600, path: token}
    - secret: {name: {{ include "chancery.rootsSecret" . }}, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}

{{/* The variables of a container. Arguments: component, fixed (name to value), prefix, settings (name to value), from (entries with
valueFrom), env (the user's). A name that occurs twice ends the render. */}}
{{- define "chancery.env" -}}
{{- $variables := list -}}
{{- $names := dict -}}
{{- range $name, $value := .fixed -}}
{{- $variables = append $variables (dict "name" $name "value" (toString $value)) -}}
{{- end -}}
{{- range $name, $value := .settings -}}
{{- $text := toString $value -}}
{{- if kindIs "slice" $value }}{{ $text = join "," $value }}{{ else if kindIs "float64" $value }}{{ $text = toString (int64 $value) }}{{ end -}}
{{- $variables = append $variables (dict "name" (printf "%s%s" $.prefix (upper $name)) "value" $text) -}}
{{- end -}}
{{- range concat $variables .from -}}
{{- $_ := set $names .name true -}}
{{- end -}}
{{- range .env -}}
{{- if not (kindIs "string" .name) -}}
{{- fail (printf "%s.env: an entry has no name, or one that is no text; write name and value, or valueFrom" $.component) -}}
{{- end -}}
{{- if and (hasKey . "value") (not (kindIs "string" .value)) -}}
{{- fail (printf "%s.env: the value of %s is no text; put it in quotes (or use --set-string)" $.component .name) -}}
{{- end -}}
{{- if hasKey $names .name -}}
{{- fail (printf "%s.env: %s is set twice; the chart has it from another value, or you gave it twice" $.component .name) -}}
{{- end -}}
{{- $_ := set $names .name true -}}
{{- end -}}
{{- toYaml (concat $variables .from .env) -}}
{{- end }}

{{/* Probes, by which the kubelet shows no credentials. Arguments: port, and if need be scheme. */}}
{{- define "chancery.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: {{ .port }}, scheme: {{ default "HTTPS" .scheme }}}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 150
livenessProbe:
  httpGet: {path: /livez, port: {{ .port }}, scheme: {{ default "HTTPS" .scheme }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: {{ .port }}, scheme: {{ default "HTTPS" .scheme }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
{{- end }}

{{/* The claim of a server with a volume of its own. Labels are those that never change. A class of "-" is none, as of volumes that
somebody makes by hand. Arguments: root, component, values. */}}
{{- define "chancery.claim" -}}
metadata:
  name: data
  labels:
    {{- include "chancery.selectorLabels" . | nindent 4 }}
spec:
  accessModes: [{{ default .root.Values.persistence.accessMode .values.persistence.accessMode }}]
  {{- with default .root.Values.persistence.storageClass .values.persistence.storageClass }}
  storageClassName: {{ ternary "" . (eq . "-") | quote }}
  {{- end }}
  resources: {requests: {storage: {{ .values.persistence.size | quote }}}}
{{- end }}
