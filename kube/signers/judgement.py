"""What each signer of certificates.k8s.io lets a request have, whoever approves it.

- Nobody but a service account has its SPIFFE ID; no node has anything; no name of Kubernetes or the authority is given out.
- A refusal here is for good. What depends on others' work, as a Service that is not there yet, needs approval until it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from ca.client.values import Pod
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import CertificateRequest
from kube.documents import JsonObject
from kube.pods.records import PodRecord
from kube.service_names import Place, ServiceName
from kube.signers.decisions import Deny, Granted
from kube.signers.pods import pod_of_token, stands_for
from kube.signers.requesters import Node, Requester, ServiceAccount, own_id
from kube.signers.requests import beyond_common_name, reserved_name
from kube.signers.settings import PROFILES, SignerSettings
from kube.vocabulary import Signer

LOOK_AGAIN = timedelta(seconds=15)
_NAME_REFUSED = "NameNotPermitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The cluster as it is: the pod that the requester's token names, the Services that its names are of, its account's pods."""

    pod: JsonObject | None = None
    services: Mapping[Place, JsonObject] = field(default_factory=dict)
    pods: Sequence[JsonObject] = ()


Judge = Callable[[CertificateRequest, Requester, Surroundings, SignerSettings], Granted | Deny]


def judge(
    signer: Signer,
    request: CertificateRequest,
    requester: Requester,
    surroundings: Surroundings,
    settings: SignerSettings,
) -> Granted | Deny:
    if isinstance(requester, Node):
        return Deny(
            reason="NodeNotPermitted",
            message=f"{requester} asks for an identity that is not its own: this signer has none for nodes",
        )
    return _JUDGES[signer](request, requester, surroundings, settings)


def service_names(
    request: CertificateRequest, requester: Requester, settings: SignerSettings
) -> Sequence[ServiceName | None]:
    """Of the DNS names, in their order; None where one is no form of a Service's name."""
    namespace = requester.namespace if isinstance(requester, ServiceAccount) else ""
    return [settings.forms.read(name, namespace=namespace) for name in request.names.dns]


def _workload(
    request: CertificateRequest, requester: Requester, surroundings: Surroundings, settings: SignerSettings
) -> Granted | Deny:
    if not isinstance(requester, ServiceAccount):
        return _refused(f"{requester} is no service account, and this signer certifies nobody else's identity")
    own = own_id(requester, settings)
    if own is None:
        return _refused(f"{requester} has no SPIFFE ID")
    asked = [name for _, name in request.names.all_names() if name != own]
    if asked or not request.subject.is_empty:
        what = asked[0] if asked else f"the subject {request.subject.rfc4514}"
        return _refused(f"{requester} may have {own} and nothing else; it asks for {what[:200]}")
    bound = _bound_pod(requester, surroundings)
    if isinstance(bound, Deny):
        return bound
    unbound = "" if bound else "its token is bound to no pod, so that somebody has to approve the request"
    return Granted(
        subject=SubjectName(),
        names=SubjectAlternativeNames(uris=(own,)),
        profile=PROFILES[Signer.WORKLOAD],
        pod=bound,
        needs_approval=unbound,
    )


def _serving(
    request: CertificateRequest, requester: Requester, surroundings: Surroundings, settings: SignerSettings
) -> Granted | Deny:
    if fault := _fault_of_host_names(request):
        return _refused(fault)
    parsed = service_names(request, requester, settings)
    names = [name for name in parsed if name is not None]
    if len(names) < len(parsed):
        foreign = request.names.dns[parsed.index(None)]
        return _refused(f"{foreign!r} is no name of a Service; ask for svc.namespace.svc or another form of it")
    bound = _bound_pod(requester, surroundings)
    if isinstance(bound, Deny):
        return bound
    needs, again = _what_serving_needs(names, requester, surroundings)
    return Granted(
        subject=SubjectName(common_name=request.subject.common_name),
        names=SubjectAlternativeNames(dns=request.names.dns),
        profile=PROFILES[Signer.SERVING],
        pod=bound,
        needs_approval=needs,
        again=again,
    )


def _what_serving_needs(
    names: Sequence[ServiceName], requester: Requester, surroundings: Surroundings
) -> tuple[str, timedelta | None]:
    """Why it is not approved automatically, and when that may have changed."""
    if absent := next((name for name in names if name.place not in surroundings.services), None):
        return f"there is no Service {absent.service} in namespace {absent.namespace}", LOOK_AGAIN
    if not isinstance(requester, ServiceAccount):
        return f"{requester} is no service account", None
    pods = [pod for pod in map(PodRecord.from_document, surroundings.pods) if pod.service_account == requester.name]
    for name in names:
        if name.is_relative:
            return f"{name.service!r} without a namespace means another Service in each of them", None
        if name.namespace != requester.namespace:
            return f"{requester} asks for a Service of another namespace, {name.namespace}", None
        if not stands_for(name, surroundings.services[name.place], pods):
            return f"no pod of {requester} is behind {name.host or 'the Service'} {name.service}", LOOK_AGAIN
    return "", None


def _client(
    request: CertificateRequest, requester: Requester, _surroundings: Surroundings, _settings: SignerSettings
) -> Granted | Deny:
    if reserved := reserved_name(request.subject):
        return _refused(f"the name {reserved[:100]!r} is Kubernetes' or the authority's own, and given to nobody")
    spiffe = [uri for uri in request.names.uris if uri.startswith("spiffe:")]
    if spiffe:
        return _refused(f"{spiffe[0][:200]} is a workload's identity: ask {Signer.WORKLOAD} for it")
    if request.subject.common_name is None and request.names.is_empty:
        return _refused("the request has neither a common name nor an alternative one, so it is about nobody")
    return Granted(
        subject=request.subject,
        names=request.names,
        profile=PROFILES[Signer.CLIENT],
        needs_approval=f"{Signer.CLIENT} certifies what {requester} asks for, which somebody has to look at",
    )


_JUDGES: Mapping[Signer, Judge] = {Signer.WORKLOAD: _workload, Signer.SERVING: _serving, Signer.CLIENT: _client}


def _fault_of_host_names(request: CertificateRequest) -> str:
    names, subject = request.names, request.subject
    if not names.dns or names.ips or names.uris or names.emails:
        return "a serving certificate has DNS names of Services, one or more, and no names of another kind"
    if wildcard := next((name for name in names.dns if name.startswith("*")), ""):
        return f"{wildcard!r} is no name of a Service: wildcards are not certified"
    if beyond_common_name(subject):
        return "the subject may hold a common name and nothing else"
    if subject.common_name is not None and subject.common_name not in names.dns:
        return f"the common name {subject.common_name[:100]!r} is not among the DNS names"
    return ""


def _bound_pod(requester: Requester, surroundings: Surroundings) -> Pod | Deny | None:
    """The pod whose token it was; None where it was no pod's."""
    if not isinstance(requester, ServiceAccount) or not requester.is_of_pod:
        return None
    return pod_of_token(requester, surroundings.pod)


def _refused(message: str) -> Deny:
    return Deny(reason=_NAME_REFUSED, message=message)
