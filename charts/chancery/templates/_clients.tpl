{{/* What pods have whose server gets its identity itself, by its service account's token. Arguments: root, values. */}}

{{- define "chancery.clientContainer" -}}
resources:
  {{- toYaml .values.resources | nindent 2 }}
securityContext:
  {{- include "chancery.containerSecurity" .root | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - {name: identity, mountPath: /var/run/secrets/chancery.dev/tls}
  - {name: bootstrap, mountPath: /var/run/secrets/chancery.dev/bootstrap, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  - {{ include "chancery.kubernetesAccessMount" .root }}
  {{- with concat .root.Values.volumeMounts .values.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "chancery.clientVolumes" -}}
- {name: identity, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
- {{- include "chancery.bootstrap" .root | nindent 2 }}
- {name: tmp, emptyDir: {}}
- {{- include "chancery.kubernetesAccess" .root | nindent 2 }}
{{- with concat .root.Values.volumes .values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
