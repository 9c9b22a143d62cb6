{{/* Values that no schema can refuse, or not in a sentence. */}}

{{- define "chancery.checks" -}}
{{- $values := .Values -}}
{{- if not (regexMatch "^[a-z]" (include "chancery.fullname" .)) -}}
{{- fail (printf "fullnameOverride: the names of Services begin with a letter, but %q does not; set one that does" (include "chancery.fullname" .)) -}}
{{- end -}}
{{- range list "apiServerCIDRs" "databaseCIDRs" "proxyCIDRs" -}}
{{- $key := . -}}
{{- range index $values.networkPolicy $key -}}
{{- include "chancery.checkNetwork" (dict "key" (printf "networkPolicy.%s" $key) "network" .) -}}
{{- end -}}
{{- end -}}
{{- include "chancery.checkOutside" . -}}
{{- with $values.networkPolicy -}}
{{- if and (not .enabled) (or .apiServerCIDRs .additionalPeers .createEgressRules .databaseCIDRs .collectorPeers .collectorPort .proxyCIDRs .proxyPort) -}}
{{- fail "networkPolicy: enabled is false, but the rest of it says whom to let in or out; enable it, or take the rest away" -}}
{{- end -}}
{{- if and .additionalPeers (not .apiServerCIDRs) -}}
{{- fail "networkPolicy.additionalPeers: without apiServerCIDRs everybody is let in already; name those networks, or take the peers away" -}}
{{- end -}}
{{- if and .databaseCIDRs (not .createEgressRules) -}}
{{- fail "networkPolicy.databaseCIDRs: createEgressRules is false, so that nothing is held on its way out; set it, or take the networks away" -}}
{{- end -}}
{{- end -}}
{{- include "chancery.checkDigest" (dict "key" "image" "image" $values.image) -}}
{{- range $component := list "ca" "apiserver" "controller" "injector" -}}
{{- include "chancery.checkDigest" (dict "key" (printf "%s.image" $component) "image" (get (get $values $component) "image")) -}}
{{- $monitor := include "chancery.serviceMonitor" (dict "root" $ "values" (get $values $component)) | fromYaml -}}
{{- if and $monitor.enabled (gt (int (include "chancery.seconds" $monitor.scrapeTimeout)) (int (include "chancery.seconds" $monitor.interval))) -}}
{{- fail (printf "serviceMonitor.scrapeTimeout: %s of %s is longer than its interval, %s, and Prometheus does not take that; shorten it" $monitor.scrapeTimeout $component $monitor.interval) -}}
{{- end -}}
{{- if and $monitor.enabled (not (has $monitor.namespace (list "" $.Release.Namespace))) (has $component (list "ca" "apiserver")) (not (include "chancery.controllerDoes" (dict "root" $ "feature" "trust"))) -}}
{{- fail (printf "serviceMonitor.namespace: nobody publishes the roots in namespace %s, by which %s is believed there; enable the controller with its setting trust, or leave the namespace empty" $monitor.namespace $component) -}}
{{- end -}}
{{- end -}}
{{- range $values.injector.includeNamespaces -}}
{{- if has . $values.injector.excludeNamespaces -}}
{{- fail (printf "injector.includeNamespaces: %s is among excludeNamespaces, too; take it out of one of them" .) -}}
{{- end -}}
{{- if eq . $.Release.Namespace -}}
{{- fail (printf "injector.includeNamespaces: nothing is ever injected in %s, the chart's own namespace; take it away" .) -}}
{{- end -}}
{{- end -}}
{{- if and $values.openshift.enabled (ne (int64 $values.runAsUser) 65532) -}}
{{- fail "runAsUser: openshift.enabled leaves the user to OpenShift; take one of the two away" -}}
{{- end -}}
{{- range $component := list "ca" "controller" "injector" "apiserver" -}}
{{- $names := dict -}}
{{- range list "data" "tmp" "policy" "passphrase" "kubernetes-access" "identity" "bootstrap" "kinds" "default-ca-certificates" "extra-ca-certificates" "proxy-ca-certificates" -}}
{{- $_ := set $names . true -}}
{{- end -}}
{{- range concat $values.volumes (index $values $component).volumes -}}
{{- if not (kindIs "string" .name) -}}
{{- fail (printf "%s.volumes: an entry has no name, or one that is no text; write name, and what it is of" $component) -}}
{{- end -}}
{{- if hasKey $names .name -}}
{{- fail (printf "%s.volumes: %q is the name of a volume that the chart has, or is given twice; take another" $component .name) -}}
{{- end -}}
{{- $_ := set $names .name true -}}
{{- end -}}
{{- $paths := dict -}}
{{- range list "/tmp" "/var/lib/chancery" "/etc/chancery/policy" "/etc/chancery/kinds" "/var/run/secrets/kubernetes.io/serviceaccount" -}}
{{- $_ := set $paths . true -}}
{{- end -}}
{{- range list "tls" "bootstrap" "passphrase" -}}
{{- $_ := set $paths (printf "/var/run/secrets/chancery.dev/%s" .) true -}}
{{- end -}}
{{- range list "default" "extra" "proxy" -}}
{{- $_ := set $paths (printf "/etc/chancery/certificates/%s" .) true -}}
{{- end -}}
{{- range concat $values.volumeMounts (index $values $component).volumeMounts -}}
{{- if not (and (kindIs "string" .name) (kindIs "string" .mountPath)) -}}
{{- fail (printf "%s.volumeMounts: an entry lacks name or mountPath, or one of them is no text; write both" $component) -}}
{{- end -}}
{{- if not (hasKey $names .name) -}}
{{- fail (printf "%s.volumeMounts: there is no volume %q; add it to %s.volumes, or to volumes" $component .name $component) -}}
{{- end -}}
{{- $path := trimSuffix "/" .mountPath -}}
{{- if hasKey $paths $path -}}
{{- fail (printf "%s.volumeMounts: %s is where the chart mounts something, or is given twice; take another path" $component .mountPath) -}}
{{- end -}}
{{- $_ := set $paths $path true -}}
{{- end -}}
{{- end -}}
{{- include "chancery.checkStore" (dict "key" "ca" "values" $values.ca) -}}
{{- if and $values.ca.policy.rules $values.ca.policy.existingConfigMap -}}
{{- fail "ca.policy: rules and existingConfigMap are both given; put the rules into the ConfigMap, or take it away" -}}
{{- end -}}
{{- with $values.kubectlPlugin.role -}}
{{- if and .subjects (not .create) -}}
{{- fail "kubectlPlugin.role.subjects: create is false, so that there is no Role to have; set it, or take the subjects away" -}}
{{- end -}}
{{- range .subjects -}}
{{- if and (eq .kind "Group") (regexMatch "^system:(authenticated|unauthenticated|serviceaccounts|nodes)(:|$)" .name) -}}
{{- fail (printf "kubectlPlugin.role.subjects: %s is everybody, or nearly; name those who shall administer the authority" .name) -}}
{{- end -}}
{{- if and .namespace (ne .kind "ServiceAccount") -}}
{{- fail (printf "kubectlPlugin.role.subjects: %s %s has no namespace; take it away" .kind .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $injects := include "chancery.controllerDoes" (dict "root" . "feature" "injection") -}}
{{- if and $values.injector.enabled (not (and $injects (include "chancery.controllerDoes" (dict "root" . "feature" "pods")))) -}}
{{- fail "injector.enabled: the webhook needs the controller with its settings injection and pods, or it has neither a name to serve nor a caBundle; enable those, or disable the injector" -}}
{{- end -}}
{{- if and $values.injector.hostNetwork $values.userNamespaces -}}
{{- fail "injector.hostNetwork: a pod with userNamespaces has a network of its own; take one of the two away" -}}
{{- end -}}
{{- if eq (int64 $values.injector.webhookPort) 8116 -}}
{{- fail "injector.webhookPort: 8116 is the port of its health; take another" -}}
{{- end -}}
{{- if and $values.injector.hostNetwork $values.apiserver.hostNetwork $values.injector.enabled $values.apiserver.enabled (eq (int64 $values.injector.webhookPort) (int64 $values.apiserver.securePort)) -}}
{{- fail "injector.webhookPort: apiserver.securePort is the same, and both share the network of the node; take another" -}}
{{- end -}}
{{- if and $values.injector.hostNetwork $values.apiserver.hostNetwork $values.injector.enabled $values.apiserver.enabled (eq (int64 $values.apiserver.securePort) 8116) -}}
{{- fail "apiserver.securePort: 8116 is the port of the injector's health, and both share the network of the node; take another" -}}
{{- end -}}
{{- if and $values.controller.certManager.approve (not (include "chancery.controllerDoes" (dict "root" . "feature" "signing"))) -}}
{{- fail "controller.certManager.approve: nobody signs what would be approved; enable the controller with its setting signing" -}}
{{- end -}}
{{- if $values.apiserver.enabled -}}
{{- $registered := dict -}}
{{- range $values.apiserver.apiServices -}}
{{- $name := printf "%s/%s" .group .version -}}
{{- if hasKey $registered $name -}}
{{- fail (printf "apiserver.apiServices: %s is given twice; take one away" $name) -}}
{{- end -}}
{{- $_ := set $registered $name true -}}
{{- end -}}
{{- if and $values.apiserver.apiServices (not $injects) -}}
{{- fail "apiserver.apiServices: nobody writes their caBundle, so that they would never be available; enable the controller with its setting injection, or register none" -}}
{{- end -}}
{{- include "chancery.checkStore" (dict "key" "apiserver" "values" $values.apiserver) -}}
{{- if and (hasKey $values.apiserver.settings "anonymous_auth") (not $values.apiserver.settings.anonymous_auth) -}}
{{- fail "apiserver.settings.anonymous_auth: the kubelet's probes show no credentials, and the pod would never be ready; leave it true" -}}
{{- end -}}
{{- if and $values.apiserver.database.existingSecret (eq $values.apiserver.database.existingSecret $values.ca.database.existingSecret) (eq $values.apiserver.database.key $values.ca.database.key) -}}
{{- fail "apiserver.database: this is the authority's database; the two need one each" -}}
{{- end -}}
{{- range $key := list "maxObjectSizes" "maxRequestsInFlight" -}}
{{- range $kind, $_ := get $values.apiserver.limits $key -}}
{{- if not (regexMatch "^[a-z][-a-z0-9]*(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$" $kind) -}}
{{- fail (printf "apiserver.limits.%s: %q is no kind; write its plural and its group, such as policyreports.wgpolicyk8s.io" $key $kind) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $values.apiserver.hostNetwork $values.userNamespaces -}}
{{- fail "apiserver.hostNetwork: a pod with userNamespaces has a network of its own; take one of the two away" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* One replica and a volume, or a database. Arguments: key, values. */}}
{{- define "chancery.checkStore" -}}
{{- if .values.database.existingSecret -}}
{{- with .values.persistence.existingClaim -}}
{{- fail (printf "%s: database.existingSecret and persistence.existingClaim are both given, but with a database nothing is kept on a volume; take one of the two away" $.key) -}}
{{- end -}}
{{- else if gt (int64 .values.replicaCount) 1 -}}
{{- fail (printf "%s.replicaCount: %d replicas need a PostgreSQL database that they share; name the Secret of its URL in %s.database.existingSecret" .key (int64 .values.replicaCount) .key) -}}
{{- end -}}
{{- end }}

{{/* A network in CIDR notation. Arguments: key, network. */}}
{{- define "chancery.checkNetwork" -}}
{{- $octet := "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])" -}}
{{- $four := printf "^(%s\\.){3}%s/(3[0-2]|[12]?[0-9])$" $octet $octet -}}
{{- $six := "^(([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}|([0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4}){0,6})?::([0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4}){0,6})?)/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$" -}}
{{- $isFour := regexMatch $four .network -}}
{{- $isSix := regexMatch $six .network -}}
{{- if and $isSix (contains "::" .network) (gt (len (regexFindAll "[0-9a-fA-F]+" (first (splitList "/" .network)) -1)) 7) -}}
{{- $isSix = false -}}
{{- end -}}
{{- if not (or $isFour $isSix) -}}
{{- fail (printf "%s: %q is no network; write an address and the length of its prefix, such as 10.0.0.0/24 or fd00::/8" .key .network) -}}
{{- end -}}
{{- end }}

{{/* Of a span such as 1m30s. */}}
{{- define "chancery.seconds" -}}
{{- $seconds := 0 -}}
{{- range regexFindAll "[0-9]+[dhms]" . -1 -}}
{{- $seconds = add $seconds (mul (int (regexFind "[0-9]+" .)) (get (dict "d" 86400 "h" 3600 "m" 60 "s" 1) (regexFind "[dhms]" .))) -}}
{{- end -}}
{{ $seconds }}
{{- end }}

{{/* An image's digest. Arguments: key, image. */}}
{{- define "chancery.checkDigest" -}}
{{- with get .image "digest" -}}
{{- if not (regexMatch "^sha256:[0-9a-f]{64}$" .) -}}
{{- fail (printf "%s.digest: %q is no digest; write sha256: and 64 hexadecimal digits" $.key .) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Scheme, host and port, by which the port can be told. */}}
{{- define "chancery.originPattern" -}}
https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?
{{- end }}

{{/* What servers connect to outside. */}}
{{- define "chancery.checkOutside" -}}
{{- $values := .Values -}}
{{- with $values.tracing.endpoint -}}
{{- if regexMatch "^[^/]*//[^/]*@" . -}}
{{- fail "tracing.endpoint: credentials do not belong into a URL that everybody may read; give them as OTEL_EXPORTER_OTLP_HEADERS from a Secret, in the env of ca, apiserver and controller" -}}
{{- end -}}
{{- if not (regexMatch (printf "^%s(/[^\\s?#]*)?$" (include "chancery.originPattern" $)) .) -}}
{{- fail (printf "tracing.endpoint: %q is no URL of a collector; write http:// or https://, its host and port, such as http://collector.observability.svc:4318" .) -}}
{{- end -}}
{{- end -}}
{{- $isPolicy := $values.networkPolicy.createEgressRules -}}
{{- with $values.global -}}
{{- $url := .httpsProxy -}}
{{- if regexMatch "^[^/]*(//)?[^/]*@" $url -}}
{{- fail "global.httpsProxy: a URL with credentials does not belong into values; put it into the Secret that global.proxySecretName names, below the key httpsProxy" -}}
{{- end -}}
{{- if and $url (not (regexMatch (printf "^%s/?$" (include "chancery.originPattern" $)) $url)) -}}
{{- fail (printf "global.httpsProxy: %q is no URL of a proxy; write http:// or https://, its host and port, such as http://proxy.example.com:3128" $url) -}}
{{- end -}}
{{- range include "chancery.noProxy" $ | fromYamlArray -}}
{{- if not (regexMatch "^[A-Za-z0-9.:*_/\\[\\]-]+$" .) -}}
{{- fail (printf "global.noProxy: %q is neither a host nor a network; write names, suffixes such as .example.com and addresses, separated by commas" .) -}}
{{- end -}}
{{- end -}}
{{- if and .noProxy (not (or $url .proxySecretName)) -}}
{{- fail "global.noProxy: there is no proxy to go without; name it in global.httpsProxy, or take this away" -}}
{{- end -}}
{{- if and $isPolicy .proxySecretName (not $url) (not $values.networkPolicy.proxyPort) -}}
{{- fail "networkPolicy.proxyPort: createEgressRules is set, and no port is known of a proxy whose URL is in a Secret; say it" -}}
{{- end -}}
{{- if and (or $values.networkPolicy.proxyPort $values.networkPolicy.proxyCIDRs) (not (and $isPolicy (or $url .proxySecretName))) -}}
{{- fail "networkPolicy.proxyPort, proxyCIDRs: they hold nothing without createEgressRules and a proxy; set those, or take them away" -}}
{{- end -}}
{{- range $key := list "extraCaCertificates" "overrideDefaultCaCertificates" -}}
{{- with get $values.global $key -}}
{{- if and .enabled (not .secretName) -}}
{{- fail (printf "global.%s: it is enabled, and no Secret is named; say which in secretName" $key) -}}
{{- end -}}
{{- if and .secretName (not .enabled) -}}
{{- fail (printf "global.%s: secretName is given, and enabled is false; enable it, or take the name away" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .extraCaCertificates.enabled (eq .extraCaCertificates.secretName .overrideDefaultCaCertificates.secretName) -}}
{{- fail "global.extraCaCertificates: its Secret is that of overrideDefaultCaCertificates, which are believed already; take one of the two away" -}}
{{- end -}}
{{- end -}}
{{- if and (or $values.networkPolicy.collectorPort $values.networkPolicy.collectorPeers) (not (and $isPolicy $values.tracing.endpoint)) -}}
{{- fail "networkPolicy.collectorPort, collectorPeers: they hold nothing without createEgressRules and tracing.endpoint; set those, or take them away" -}}
{{- end -}}
{{- end }}
