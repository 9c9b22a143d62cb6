{{/* What things are called. Names of objects leave room for the suffixes of components, pods and claims. */}}

{{- define "chancery.name" -}}
{{ include "chancery.cut" (list 40 (default .Chart.Name .Values.nameOverride)) }}
{{- end }}

{{/* Names and values of labels end with a letter or a digit. Arguments: longest, text. */}}
{{- define "chancery.cut" -}}
{{ trunc (int (first .)) (last .) | regexFind "^.*[A-Za-z0-9]" }}
{{- end }}

{{/* A version as the value of a label, or as a tag: those know no plus sign. */}}
{{- define "chancery.version" -}}
{{ include "chancery.cut" (list 63 (replace "+" "_" .)) }}
{{- end }}

{{/* Without dots, which releases may have and Services may not. */}}
{{- define "chancery.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{ include "chancery.cut" (list 40 (replace "." "-" .Values.fullnameOverride)) }}
{{- else if contains $name .Release.Name -}}
{{ include "chancery.cut" (list 40 (replace "." "-" .Release.Name)) }}
{{- else -}}
{{ include "chancery.cut" (list 40 (printf "%s-%s" .Release.Name $name | replace "." "-")) }}
{{- end }}
{{- end }}

{{/* Of an object without a namespace, so that a release in another namespace has one of its own. */}}
{{- define "chancery.clusterName" -}}
{{ .Release.Namespace }}:{{ include "chancery.fullname" . }}
{{- end }}

{{/* The host of a component's Service; arguments: root, component. */}}
{{- define "chancery.host" -}}
{{ include "chancery.fullname" .root }}-{{ .component }}.{{ .root.Release.Namespace }}.svc
{{- end }}

{{- define "chancery.rootsSecret" -}}
{{ include "chancery.fullname" . }}-ca-roots
{{- end }}

{{- define "chancery.passphraseSecret" -}}
{{ include "chancery.fullname" . }}-ca-passphrase
{{- end }}

{{- define "chancery.spiffeId" -}}
spiffe://{{ lower .root.Values.trustDomain }}/ns/{{ .root.Release.Namespace }}/sa/{{ include "chancery.fullname" .root }}-{{ .component }}
{{- end }}

{{/* Never changes over upgrades: selectors and claim templates are immutable. */}}
{{- define "chancery.selectorLabels" -}}
app.kubernetes.io/name: {{ include "chancery.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Of an object; arguments: root, component, name (all of it), and if need be namespace (or none: true), labels, annotations. */}}
{{- define "chancery.metadata" -}}
{{- $ours := include "chancery.selectorLabels" . | fromYaml -}}
{{- $_ := set $ours "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $ours "app.kubernetes.io/part-of" "chancery" -}}
{{- $_ := set $ours "app.kubernetes.io/version" (include "chancery.version" .root.Chart.AppVersion) -}}
{{- $_ := set $ours "helm.sh/chart" (include "chancery.version" (printf "%s-%s" .root.Chart.Name .root.Chart.Version)) -}}
name: {{ .name | quote }}
{{- if not .none }}
namespace: {{ default .root.Release.Namespace .namespace | quote }}
{{- end }}
labels:
  {{- mergeOverwrite (deepCopy .root.Values.additionalLabels) (default dict .labels) $ours | toYaml | nindent 2 }}
{{- with mergeOverwrite (deepCopy .root.Values.additionalAnnotations) (default dict .annotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What a component says of something, key by key, over what is said of it for all. Arguments: common, own. */}}
{{- define "chancery.overridden" -}}
{{- $said := deepCopy .common -}}
{{- range $key, $value := .own -}}
{{- $_ := set $said $key $value -}}
{{- end -}}
{{- toYaml $said -}}
{{- end }}

{{/* A component's image. Its own tag takes the place of a common digest. Arguments: root, and if need be values (of the component). */}}
{{- define "chancery.imageValues" -}}
{{- $own := get (default dict .values) "image" | default dict -}}
{{- $common := deepCopy .root.Values.image -}}
{{- if $own.tag }}{{ $_ := set $common "digest" "" }}{{ end -}}
{{- include "chancery.overridden" (dict "common" $common "own" $own) -}}
{{- end }}

{{- define "chancery.image" -}}
{{- with include "chancery.imageValues" . | fromYaml -}}
{{ if .registry }}{{ trimSuffix "/" .registry }}/{{ end }}{{ .repository }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ default (include "chancery.version" $.root.Chart.AppVersion) .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "chancery.pullPolicy" -}}
{{ (include "chancery.imageValues" . | fromYaml).pullPolicy }}
{{- end }}
