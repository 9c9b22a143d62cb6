{{/* Rules of NetworkPolicies. */}}

{{/* To the port that the cluster's API servers call. Arguments: root, port. */}}
{{- define "chancery.ingressOfApiServers" -}}
{{- $policy := .root.Values.networkPolicy -}}
- ports: [{port: {{ .port }}, protocol: TCP}]
  {{- if $policy.apiServerCIDRs }}
  from:
    {{- range $policy.apiServerCIDRs }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
    {{- with $policy.additionalPeers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    - podSelector: # which helm test starts
        matchLabels:
          {{- include "chancery.selectorLabels" (dict "root" .root "component" "doctor") | nindent 10 }}
  {{- end }}
{{- end }}

{{/* What every server needs: name servers, and the cluster's API servers. */}}
{{- define "chancery.egress" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - {port: {{ int64 . }}, protocol: TCP}
    {{- end }}
  {{- with .Values.networkPolicy.apiServerCIDRs }}
  to:
    {{- range . }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  {{- end }}
{{- end }}

{{- define "chancery.egressToDatabases" -}}
- ports: [{port: {{ int64 .Values.networkPolicy.databasePort }}, protocol: TCP}]
  {{- with .Values.networkPolicy.databaseCIDRs }}
  to:
    {{- range . }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  {{- end }}
{{- end }}

{{- define "chancery.egressToAuthority" -}}
- ports: [{port: 8111, protocol: TCP}, {port: 8112, protocol: TCP}, {port: 8113, protocol: TCP}]
  to:
    - podSelector:
        matchLabels:
          {{- include "chancery.selectorLabels" (dict "root" . "component" "ca") | nindent 10 }}
{{- end }}
