"""The policy document that `init` writes: administrators do everything, holders renew, workloads ask again, pods enroll."""

from certs.names import SpiffeId, TrustDomain

_DOCUMENT = """\
# Who may have which certificate. Rules are read from top to bottom: the first that matches entirely decides,
# and what no rule matches is denied. A kind of name, or an attribute of the subject, that a rule does not list may not
# appear at all. `ca-cli policy explain` shows what a rule makes of a request.
apiVersion: chancery.dev/v1alpha1
kind: Policy
rules:
  # Administrators hold a certificate with this organization; `init` made the first.
  - name: administrators
    callers:
      - certificate: {organizations: ["chancery:administrators"]}
    operations: ["*", administer]
    profiles: ["*", ocsp]
    names: any
    subject:
      common_names: ["*"]
      # A name that begins with "system:" or "chancery:" is never reached by a wildcard, only when it is written out.
      organizations: ["*", "chancery:administrators", "chancery:registrars"]
      others: true

  # Whoever holds O=system:masters is an administrator of every Kubernetes API server that trusts this authority.
  # Remove this rule where that is not wanted. It gives client certificates only, for a day at most.
  - name: administrators-make-cluster-administrators
    callers:
      - certificate: {organizations: ["chancery:administrators"]}
    operations: [issue, renew, fetch_key]
    profiles: [client]
    subject:
      common_names: ["*"]
      organizations: ["system:masters"]
    max_lifetime: 24h

  # The registrar of a Kubernetes cluster has requests signed for the cluster's objects, and says under which Services a pod is
  # reached. It holds a certificate with this organization; docs/kubernetes.md shows the rule for one that has a SPIFFE ID.
  # `*.*` is there for names such as web.shop. Client certificates are not among what it gives: add `client` with names of yours.
  - name: registrars
    callers:
      - certificate: {organizations: ["chancery:registrars"]}REGISTRAR
    operations: [register]
    profiles: [workload, server]
    names:
      uris: ["spiffe://TRUST_DOMAIN/ns/*/sa/*"]
      dns: ["*.*", "**.svc", "**.svc.cluster.local"]
    subject: {common_names: ["*"]}

  # Its organization is reserved, so that `holders-renew` below does not reach it.
  - name: registrars-renew
    callers:
      - certificate: {organizations: ["chancery:registrars"]}
    operations: [renew]
    profiles: [client]
    names: own
    subject: {common_names: ["{own}"], organizations: ["chancery:registrars"]}

  # A one-time token is made by an administrator and bound to names: those bindings hold beside this rule.
  - name: tokens
    callers:
      - token: true
    operations: [issue]
    profiles: ["*"]
    names: any
    subject: any

  # Whoever holds a certificate may renew it: the same names and no others. Reserved names are not among them.
  - name: holders-renew
    callers:
      - certificate: {}
    operations: [renew]
    profiles: ["*"]
    names: own
    subject: own

  # A workload may ask for another certificate of its own identity, with a new key.
  - name: workloads
    callers:
      - certificate: {spiffe_ids: ["spiffe://TRUST_DOMAIN/ns/*/sa/*"]}
    operations: [issue]
    profiles: [workload]
    names: own
    max_lifetime: 24h

  # A pod shows the token of its service account (where `kubernetes_enrollment` is on), and is given that identity, with those of
  # the DNS names that a registrar has registered for it which it asks for.
  - name: service-accounts
    callers:
      - service_account: {spiffe_ids: ["spiffe://TRUST_DOMAIN/ns/*/sa/*"]}
    operations: [issue]
    profiles: [workload]
    names: own
    max_lifetime: 24h
"""


def default_policy(trust_domain: TrustDomain | str, registrar: SpiffeId | None = None) -> str:
    """The document, for callers of this trust domain; `registrar` is a workload that may register beside those of the organization.

    Raises MalformedName for a text that names no trust domain.
    """
    named = "" if registrar is None else f'\n      - certificate: {{spiffe_ids: ["{registrar}"]}}'
    document = _DOCUMENT.replace("REGISTRAR", named)
    return document.replace("TRUST_DOMAIN", str(TrustDomain.parse(str(trust_domain))))
