{{/* What authority, API server and controller connect to outside of the cluster's own trust: a collector of traces, a database of
somebody else's CA, a proxy on the way. Nothing that they ask of the authority or of the cluster's API server goes through a proxy. */}}

{{/* Variables, name to value. Arguments: root, prefix. */}}
{{- define "chancery.outsideVariables" -}}
{{- $values := .root.Values -}}
{{- $global := $values.global -}}
{{- $certificates := "/etc/chancery/certificates" -}}
{{- $variables := dict -}}
{{- with $values.tracing.endpoint -}}
{{- $_ := set $variables "OTEL_EXPORTER_OTLP_ENDPOINT" . -}}
{{- end -}}
{{- with $global.httpsProxy -}}
{{- $_ := set $variables "HTTPS_PROXY" . -}}
{{- end -}}
{{- if or $global.httpsProxy $global.proxySecretName -}}
{{- $own := list "localhost" "127.0.0.1" "::1" ".svc" (printf ".%s" $values.clusterDomain) "$(KUBERNETES_SERVICE_HOST)" -}}
{{- $_ := set $variables "NO_PROXY" (join "," (concat $own (include "chancery.noProxy" .root | fromYamlArray))) -}}
{{- end -}}
{{- $extra := list -}}
{{- if $global.extraCaCertificates.enabled }}{{ $extra = append $extra (printf "%s/extra" $certificates) }}{{ end -}}
{{- if $global.proxySecretName }}{{ $extra = append $extra (printf "%s/proxy" $certificates) }}{{ end -}}
{{- with $extra -}}
{{- $_ := set $variables (printf "%sEXTRA_CA_CERTIFICATES" $.prefix) (join "," .) -}}
{{- end -}}
{{- if $global.overrideDefaultCaCertificates.enabled -}}
{{- $_ := set $variables (printf "%sDEFAULT_CA_CERTIFICATES" $.prefix) (printf "%s/default" $certificates) -}}
{{- end -}}
{{- toYaml $variables -}}
{{- end }}

{{/* Whom the user wants to be reached without the proxy, as a list. */}}
{{- define "chancery.noProxy" -}}
{{- $hosts := list -}}
{{- range splitList "," .Values.global.noProxy -}}
{{- with trim . }}{{ $hosts = append $hosts . }}{{ end -}}
{{- end -}}
{{- toYaml $hosts -}}
{{- end }}

{{/* Entries with valueFrom: the URL of a proxy that is a secret. */}}
{{- define "chancery.outsideFrom" -}}
{{- $from := list -}}
{{- with .Values.global -}}
{{- if and .proxySecretName (not .httpsProxy) -}}
{{- $from = list (dict "name" "HTTPS_PROXY" "valueFrom" (dict "secretKeyRef" (dict "name" .proxySecretName "key" "httpsProxy"))) -}}
{{- end -}}
{{- end -}}
{{- toYaml $from -}}
{{- end }}

{{/* Mounts and volumes of all servers, and of these Secrets, as lists. */}}
{{- define "chancery.outsideMounts" -}}
{{- range $name, $_ := include "chancery.outsideSecrets" . | fromYaml }}
- {name: {{ $name }}-ca-certificates, mountPath: /etc/chancery/certificates/{{ $name }}, readOnly: true}
{{- end }}
{{- end }}

{{- define "chancery.outsideVolumes" -}}
{{- range $name, $secret := include "chancery.outsideSecrets" . | fromYaml }}
- name: {{ $name }}-ca-certificates
  secret:
    {{- toYaml $secret | nindent 4 }}
{{- end }}
{{- end }}

{{/* The proxy's certificates may lack where it is the Secret that has its URL: most proxies need none. */}}
{{- define "chancery.outsideSecrets" -}}
{{- $secrets := dict -}}
{{- with .Values.global -}}
{{- if .overrideDefaultCaCertificates.enabled -}}
{{- $_ := set $secrets "default" (dict "secretName" .overrideDefaultCaCertificates.secretName) -}}
{{- end -}}
{{- if .extraCaCertificates.enabled -}}
{{- $_ := set $secrets "extra" (dict "secretName" .extraCaCertificates.secretName) -}}
{{- end -}}
{{- if .proxySecretName -}}
{{- $items := list (dict "key" "proxy.crt" "path" "proxy.crt") -}}
{{- $_ := set $secrets "proxy" (dict "secretName" .proxySecretName "items" $items "optional" (eq .httpsProxy "")) -}}
{{- end -}}
{{- end -}}
{{- toYaml $secrets -}}
{{- end }}

{{/* The port of a URL. */}}
{{- define "chancery.portOf" -}}
{{- $port := regexFind ":[0-9]+$" (regexFind "^https?://[^/]+" .) | trimPrefix ":" -}}
{{ default (ternary "443" "80" (hasPrefix "https:" .)) $port }}
{{- end }}

{{- define "chancery.egressToOutside" -}}
{{- $policy := .Values.networkPolicy -}}
{{- with .Values.tracing.endpoint }}
- ports: [{port: {{ default (int64 (include "chancery.portOf" .)) (int64 $policy.collectorPort) }}, protocol: TCP}]
  {{- with $policy.collectorPeers }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- with .Values.global }}
{{- if or .httpsProxy .proxySecretName }}
- ports: [{port: {{ default (int64 (include "chancery.portOf" .httpsProxy)) (int64 $policy.proxyPort) }}, protocol: TCP}]
  {{- with $policy.proxyCIDRs }}
  to:
    {{- range . }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
