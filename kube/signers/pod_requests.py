"""PodCertificateRequests (certificates.k8s.io, KEP-4317): what is done about one, and what is then written.

- The spec names pod, account and node; each is compared, by UID, with what lives in the cluster now. Who created the object it
  does not say: that only nodes do, and each for itself, is the admission policy's to hold (`admission_policy`).
- Of the stub request the key counts. Names are the account's SPIFFE ID and, where annotated, of Services that select the pod.
- The life of the certificate, its back-date included, keeps to `maxExpirationSeconds` and is an hour or more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ca.client.values import Pod
from certs.errors import CertsError
from certs.lifetimes import parse_lifetime
from certs.names import SpiffeId, SubjectAlternativeNames, SubjectName
from certs.profiles import BACKDATE
from kube.collections import Resource
from kube.documents import JsonObject, JsonValue, created_at, is_being_deleted, mapping, namespace_of, text, uid_of
from kube.pods.names import asked_names
from kube.pods.records import PodRecord
from kube.service_names import Place, ServiceName
from kube.signers.conditions import holds, seconds_of
from kube.signers.decisions import Decision, Deny, Settled, Sign, Wait
from kube.signers.pods import living_pod, stands_for
from kube.signers.requests import read_request
from kube.signers.settings import PROFILES, SignerSettings
from kube.vocabulary import DNS_ANNOTATION, DOMAIN, DURATION_ANNOTATION, Signer

POD_REQUESTS = Resource(group="certificates.k8s.io", version="v1", plural="podcertificaterequests")
POD_REQUESTS_BETA = Resource(group="certificates.k8s.io", version="v1beta1", plural="podcertificaterequests")
OUTCOMES = ("Issued", "Denied", "Failed")

SHORTEST = timedelta(hours=1)
PATIENCE = timedelta(minutes=2)
"""How long a Service that an annotation names may take to be there: a denied request ends the pod's start."""

_INVALID_ANNOTATIONS = "InvalidUnverifiedUserAnnotations"
_DEFAULT_SECONDS = 86400
_LOOK_AGAIN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSurroundings:
    """The objects of the names in the spec, as they are now; None for what is not there."""

    pod: JsonObject | None = None
    service_account: JsonObject | None = None
    node: JsonObject | None = None
    services: Mapping[Place, JsonObject] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the pod's author asked for, by annotations that nobody has verified."""

    dns: tuple[str, ...] = ()
    services: Sequence[ServiceName] = ()
    duration: timedelta | None = None


def is_ours(document: JsonObject) -> bool:
    return text(document, "spec", "signerName").startswith(f"{DOMAIN}/")


def is_settled(document: JsonObject) -> bool:
    return is_being_deleted(document) or any(holds(document, outcome) for outcome in OUTCOMES)


def decide(document: JsonObject, surroundings: PodSurroundings, settings: SignerSettings, *, now: datetime) -> Decision:
    if not is_ours(document) or not uid_of(document) or is_settled(document):
        return Settled()
    if text(document, "spec", "signerName") != Signer.WORKLOAD:
        return Deny(reason="SignerNotForPods", message=f"pods get their certificates from {Signer.WORKLOAD}")
    asked = read_annotations(document, settings)
    if isinstance(asked, Deny):
        return asked
    pod = _living(document, surroundings)
    if isinstance(pod, Deny):
        return pod
    return _unregistered(document, asked, surroundings, now) or _order(document, asked, pod, settings)


def read_annotations(document: JsonObject, settings: SignerSettings) -> Asked | Deny:
    """Of `unverifiedUserAnnotations`. A key that means nothing here is refused, as its author thinks that it does something."""
    annotations = mapping(document, "spec", "unverifiedUserAnnotations")
    if unknown := sorted(annotations.keys() - {DNS_ANNOTATION, DURATION_ANNOTATION}):
        return _annotation(
            f"{unknown[0][:100]} means nothing to this signer; it knows {DNS_ANNOTATION} and {DURATION_ANNOTATION}"
        )
    try:
        duration = annotations.get(DURATION_ANNOTATION)
        lifetime = None if duration is None else parse_lifetime(_text(duration))
        dns = SubjectAlternativeNames.parse(dns=asked_names(_text(annotations.get(DNS_ANNOTATION, "")))).dns
    except CertsError as err:
        return _annotation(str(err))
    if lifetime is not None and lifetime < SHORTEST:
        return _annotation(f"{DURATION_ANNOTATION} is below an hour, the shortest life of a pod's certificate")
    services: list[ServiceName] = []
    for name in dns:
        parsed = settings.forms.read(name, namespace=namespace_of(document))
        if parsed is None or parsed.is_relative or parsed.namespace != namespace_of(document):
            return _annotation(f"{name!r} is no name, with its namespace, of a Service in the pod's namespace")
        services.append(parsed)
    return Asked(dns=dns, services=services, duration=lifetime)


def _living(document: JsonObject, surroundings: PodSurroundings) -> Pod | Deny:
    """The pod, if it, its account and its node are those that the spec names."""
    spec = mapping(document, "spec")
    account, node = text(spec, "serviceAccountName"), text(spec, "nodeName")
    pod = living_pod(surroundings.pod, uid=text(spec, "podUID"), service_account=account, node=node)
    if isinstance(pod, str) or not account or not node:
        fault = pod if isinstance(pod, str) else "it has no account or no node"
        return Deny(reason="PodMismatch", message=f"pod {text(spec, 'podName')[:100]}: {fault}")
    for kind, found, uid in (
        ("ServiceAccount", surroundings.service_account, text(spec, "serviceAccountUID")),
        ("Node", surroundings.node, text(spec, "nodeUID")),
    ):
        if found is None or not uid or uid_of(found) != uid or is_being_deleted(found):
            problem = "is not there" if found is None else "is being deleted, or another one: its UID differs"
            return Deny(reason=f"{kind}Mismatch", message=f"the {kind} that the request names {problem}")
    return pod


def _unregistered(document: JsonObject, asked: Asked, surroundings: PodSurroundings, now: datetime) -> Decision | None:
    pods = [PodRecord.from_document(surroundings.pod)] if surroundings.pod else []
    for text_, name in zip(asked.dns, asked.services, strict=True):
        service = surroundings.services.get(name.place)
        if service is not None and stands_for(name, service, pods):
            continue
        problem = f"{text_!r} is no name of a Service that selects the pod"
        created = created_at(document)
        if created is not None and now - created < PATIENCE:
            return Wait(reason="ServiceNotThere", message=f"{problem}, yet", again=_LOOK_AGAIN)
        return _annotation(problem)
    return None


def _order(document: JsonObject, asked: Asked, pod: Pod, settings: SignerSettings) -> Decision:
    spec = mapping(document, "spec")
    if not spec.get("stubPKCS10Request"):
        return Deny(
            reason="StubRequestNeeded",
            message="there is no stubPKCS10Request, which kubelet sends as of Kubernetes 1.36: this signer needs its proof",
        )
    sent = read_request(spec["stubPKCS10Request"])
    if isinstance(sent, Deny):
        return sent
    life = min(longest_life(document), asked.duration or settings.default_lifetime, settings.maximum_lifetime)
    if life < SHORTEST:
        return Deny(
            reason="LifetimeNotPossible",
            message="this signer is set to lifetimes below an hour, which pods cannot have",
        )
    spiffe_id = SpiffeId.for_service_account(settings.trust_domain, pod.namespace, pod.service_account)
    return Sign(
        csr=sent.octets,
        request=sent.request,
        subject=SubjectName(),
        names=SubjectAlternativeNames(uris=(str(spiffe_id),), dns=asked.dns),
        profile=PROFILES[Signer.WORKLOAD],
        lifetime=life - BACKDATE,
        request_id=f"pcr-{uid_of(document)}",
        pod=pod,
    )


def longest_life(document: JsonObject) -> timedelta:
    """`maxExpirationSeconds`, the back-date included."""
    return seconds_of(mapping(document, "spec").get("maxExpirationSeconds")) or timedelta(seconds=_DEFAULT_SECONDS)


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else repr(value)


def _annotation(message: str) -> Deny:
    return Deny(reason=_INVALID_ANNOTATIONS, message=message)
