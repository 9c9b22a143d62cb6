"""Why a call of the API server to a webhook or an extension server failed: its own words, as a cause and what to do.

- The words are those of Go's net, crypto/tls and the API server's service resolver; what is not known is told as it is.
"""

import re
from dataclasses import dataclass

from kube.diagnosis.findings import Cause

FIREWALL = (
    "the control plane does not get to port {port} of the pods. Private cluster (GKE, or EKS with a network of its own): let "
    "its network in to the nodes on {port}, or have the pods share the node's network by the chart's values {values}; with "
    "NetworkPolicies name the API servers in networkPolicy.apiServerCIDRs"
)
NOBODY_LISTENS = (
    "nothing listens on port {port} of the pods, or a firewall refuses for them: compare the Service's targetPort with the pods' "
    "port, and see their log; where it is the network, the chart's values {values} help"
)
INJECTOR_VALUES = "injector.hostNetwork=true and a free injector.webhookPort"
API_SERVER_VALUES = "apiserver.hostNetwork=true and a free apiserver.securePort"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFault:
    cause: Cause
    hint: str


_BY_WORDS: tuple[tuple[str, Cause, str], ...] = (
    (
        r"not yet valid: .* is before ",
        Cause.CERTIFICATE_NOT_YET_VALID,
        "set the clocks of the control plane and of the authority's node by a time server",
    ),
    (
        r"certificate has expired",
        Cause.CERTIFICATE_EXPIRED,
        "the server renews by itself: see its log for why it does not; then restart it",
    ),
    (
        r"certificate is (not )?valid for|doesn't contain any (IP )?SANs|relies on legacy Common Name|not for [^ ]+\.svc",
        Cause.CERTIFICATE_NAME,
        "have the server ask for the name <service>.<namespace>.svc: chancery.dev/dns on its pod, or its settings",
    ),
    (
        r"unable to load root certificates|unable to parse bytes as PEM",
        Cause.CA_BUNDLE_GARBAGE,
        "the registrar writes the caBundle of what is labelled: see whether it runs and leads; else whoever wrote it has to again",
    ),
    (
        r"x509: ",
        Cause.CA_BUNDLE_FOREIGN,
        "server and caBundle are of different authorities: see whether the registrar runs and writes the caBundle",
    ),
    (
        r"gave HTTP response to HTTPS client|does not look like a TLS handshake",
        Cause.TLS_MISSING,
        "another server than ours listens there, or a proxy before it: compare the Service's targetPort with the pods' port",
    ),
    (
        r"no endpoints available|have no addresses|MissingEndpoints|EndpointsNotFound",
        Cause.ENDPOINTS_MISSING,
        "no pod behind the Service is ready: see the pods' own findings, or their logs",
    ),
    (
        r"services? \"[^\"]*\" not found|ServiceNotFound|service/[^ ]* is not present|no such host",
        Cause.SERVICE_MISSING,
        "make the Service, or take away what names it",
    ),
)
_URL = re.compile(r"https?://[^\s\"]*")
"""May have words in it, as `?timeout=5s`, that say nothing of what happened."""
_REFUSED = r"connection refused|connection reset|EOF"
_UNREACHABLE = (
    r"i/o timeout|deadline exceeded|Client\.Timeout|no route to host|network is unreachable|timed out|handshake timeout"
    r"|while dialing|[Nn]o agent available"
)
"""The last two are the words of a control plane that gets to its nodes by a tunnel (konnectivity)."""


def fault_of_call(message: str, *, port: str, values: str, otherwise: Cause) -> CallFault:
    """`port` is the pods', as far as it is known; `values` are those of the chart that help; `otherwise` for words not known."""
    message = _URL.sub("", message)
    for words, cause, hint in _BY_WORDS:
        if re.search(words, message):
            return CallFault(cause=cause, hint=hint)
    if re.search(_REFUSED, message):
        return CallFault(cause=Cause.PORT_UNREACHABLE, hint=NOBODY_LISTENS.format(port=port, values=values))
    if re.search(_UNREACHABLE, message):
        return CallFault(cause=Cause.PORT_UNREACHABLE, hint=FIREWALL.format(port=port, values=values))
    return CallFault(cause=otherwise, hint="see the log of the server behind it")
