{{/* Whether the controller does something; not empty where it does. Arguments: root, feature. */}}
{{- define "chancery.controllerDoes" -}}
{{- $settings := .root.Values.controller.settings -}}
{{- if and .root.Values.controller.enabled (or (not (hasKey $settings .feature)) (get $settings .feature)) }}yes{{ end }}
{{- end }}

{{/* How a component is scraped. Arguments: root, values (of the component). */}}
{{- define "chancery.serviceMonitor" -}}
{{- include "chancery.overridden" (dict "common" .root.Values.serviceMonitor "own" .values.serviceMonitor) -}}
{{- end }}

{{/* A number of octets, or a quantity of them: numbers of values are floats. */}}
{{- define "chancery.octets" -}}
{{ if kindIs "string" . }}{{ . }}{{ else }}{{ int64 . }}{{ end }}
{{- end }}

{{/* Whether anything is scraped by an operator; not empty where it is. */}}
{{- define "chancery.monitored" -}}
{{- range $component := list "ca" "apiserver" "controller" "injector" -}}
{{- $values := get $.Values $component -}}
{{- if and (or (eq $component "ca") $values.enabled) (include "chancery.serviceMonitor" (dict "root" $ "values" $values) | fromYaml).enabled }}yes{{ end -}}
{{- end -}}
{{- end }}

{{/* Of the injector: what it mounts, keeps and is called. */}}
{{- define "chancery.webhookNames" -}}
{{ include "chancery.fullname" . }}-injector-pods,{{ include "chancery.fullname" . }}-injector-namespaces
{{- end }}
