"""What cert-manager's requests may have of our issuers: names of Services, further ones that an administrator allowed, one's own
SPIFFE ID.

- What depends on others' work, as a Service that is not there yet, waits; all else is refused for good.
- Who made a request is cert-manager's word, not the API server's. So a SPIFFE ID stays within the namespace of the request, and
  belongs to a pod that lives there: with it, it ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import CertificateRequest
from kube.documents import JsonObject, namespace_of, sequence
from kube.service_names import Place, ServiceName
from kube.signers.decisions import Deny, Granted, Wait
from kube.signers.issuers import IssuerTerms
from kube.signers.pods import pod_of_token
from kube.signers.requesters import Node, ServiceAccount, own_id, requester_of
from kube.signers.requests import beyond_common_name
from kube.signers.settings import PROFILES, SignerSettings
from kube.signers.usages import profile_of_usages
from kube.vocabulary import Signer

LOOK_AGAIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSurroundings:
    """The issuer that the request names, the pod whose token made it, and the Services of its namespace that its names are of."""

    issuer: JsonObject | None = None
    pod: JsonObject | None = None
    services: Mapping[Place, JsonObject] = field(default_factory=dict)


def service_names(
    document: JsonObject, request: CertificateRequest, settings: SignerSettings
) -> Sequence[ServiceName | None]:
    return [settings.forms.read(name, namespace=namespace_of(document)) for name in request.names.dns]


def judge(
    document: JsonObject,
    request: CertificateRequest,
    terms: IssuerTerms,
    surroundings: IssuerSurroundings,
    settings: SignerSettings,
) -> Granted | Deny | Wait:
    requester, names = requester_of(document), request.names
    if isinstance(requester, Node):
        return Deny(reason="NodeNotPermitted", message=f"{requester} asks for an identity that is not its own")
    profile = profile_of_usages(sequence(document, "spec", "usages"))
    if profile is None:
        return Deny(reason="UsagesNotPermitted", message="only server auth and client auth are certified")
    if names.uris:
        return _workload(document, request, profile, surroundings, settings)
    fault = _fault_of_form(request) or _fault_of_dns(document, request, terms, surroundings, settings)
    if isinstance(fault, str):
        return _refused(fault)
    return fault or Granted(
        subject=SubjectName(common_name=request.subject.common_name),
        names=SubjectAlternativeNames(dns=names.dns),
        profile=profile,
    )


def _fault_of_form(request: CertificateRequest) -> str:
    names, subject = request.names, request.subject
    if not names.dns or names.ips or names.emails:
        return "the request needs a DNS name, and names of no other kind"
    if beyond_common_name(subject) or subject.common_name not in {None, *names.dns}:
        return "the subject may hold a common name that is among the DNS names, and no more"
    return ""


def _workload(
    document: JsonObject,
    request: CertificateRequest,
    profile: str,
    surroundings: IssuerSurroundings,
    settings: SignerSettings,
) -> Granted | Deny:
    """A SPIFFE ID is for the account that asks itself, as with csi-driver-spiffe; not for whoever writes a Certificate."""
    requester = requester_of(document)
    own = own_id(requester, settings) if isinstance(requester, ServiceAccount) else None
    if not isinstance(requester, ServiceAccount) or own is None:
        return _refused(f"{requester} has no SPIFFE ID")
    if requester.namespace != namespace_of(document):
        return _refused(f"{requester} is of another namespace than the request")
    if request.names != SubjectAlternativeNames(uris=(own,)) or not request.subject.is_empty or profile != "peer":
        return _refused(f"{requester} may have {own} and no other name, for client auth and server auth")
    if not requester.is_of_pod:
        return _refused(f"{requester} asked with a token that is bound to no pod; pods have SPIFFE IDs")
    pod = pod_of_token(requester, surroundings.pod)
    if isinstance(pod, Deny):
        return pod
    return Granted(subject=SubjectName(), names=request.names, profile=PROFILES[Signer.WORKLOAD], pod=pod)


def _fault_of_dns(
    document: JsonObject,
    request: CertificateRequest,
    terms: IssuerTerms,
    surroundings: IssuerSurroundings,
    settings: SignerSettings,
) -> str | Wait | None:
    for name, parsed in zip(request.names.dns, service_names(document, request, settings), strict=True):
        if terms.allows(name):
            continue
        if parsed is None or parsed.is_relative or parsed.namespace != namespace_of(document):
            return f"{name!r} is neither a name of a Service in this namespace, with the namespace, nor one that the issuer allows"
        if parsed.place not in surroundings.services:
            message = f"there is no Service {parsed.service} in this namespace, which {name!r} would be of"
            return Wait(reason="Pending", message=message, again=LOOK_AGAIN)
    return None


def _refused(message: str) -> Deny:
    return Deny(reason="NameNotPermitted", message=message)
