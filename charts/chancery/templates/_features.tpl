{{/* Whether the controller does something; not empty where it does. Arguments: root, feature. */}}
{{- define "chancery.controllerDoes" -}}
{{- $settings := .root.Values.controller.settings -}}
{{- if and .root.Values.controller.enabled (or (not (hasKey $settings .feature)) (get $settings .feature)) }}yes{{ end }}
{{- end }}

{{/* Of the injector: what it mounts, keeps and is called. */}}
{{- define "chancery.webhookNames" -}}
{{ include "chancery.fullname" . }}-injector-pods,{{ include "chancery.fullname" . }}-injector-namespaces
{{- end }}
