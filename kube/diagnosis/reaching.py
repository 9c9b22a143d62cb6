"""Whether a target can be called, by whom, and with what certificate: a dial from here beside the API server's own word.

- Only the API server's way counts in the end. What it says is taken over what was seen from here, which may be a laptop.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from kube.diagnosis.bundles import Bundle, judge_bundle
from kube.diagnosis.calls import API_SERVER_VALUES, INJECTOR_VALUES, fault_of_call
from kube.diagnosis.chains import Served, judge_chain
from kube.diagnosis.findings import Cause, Finding, Severity, fine, problem, skipped, warning
from kube.diagnosis.targets import Target
from kube.diagnosis.text import instant

_LONGEST_WORD = 600


class Miss(Enum):
    """What came of a dial that got no certificate."""

    NOT_TRIED = auto()
    UNRESOLVED = auto()
    REFUSED = auto()
    SILENT = auto()
    NO_TLS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    miss: Miss
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """Of a Service; `ports` are the pods', `is_external` one whose name leads elsewhere."""

    is_there: bool = True
    is_external: bool = False
    ready: int = 0
    unready: int = 0
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """The API server's, of its own way there. `holds`: it got through."""

    holds: bool
    message: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """None is what was not seen."""

    target: Target
    backing: Backing | None = None
    dialled: Served | Missed | None = None
    word: Word | None = None


def judge_target(observation: Observation, roots: Bundle | None, *, at: datetime) -> Sequence[Finding]:
    """At least one finding. `roots` are the authority's, None where they are not known."""
    found = list(_faults(observation, roots, at))
    if not any(one.severity in {Severity.PROBLEM, Severity.WARNING} for one in found):
        found.insert(0, _fine(observation))
    return found


def _faults(observation: Observation, roots: Bundle | None, at: datetime) -> Iterator[Finding]:
    target, label = observation.target, observation.target.label
    bundle = Bundle.from_base64(target.ca_bundle)
    if target.skips_verification:
        yield warning(
            label,
            Cause.CA_BUNDLE_EMPTY,
            "insecureSkipTLSVerify is set: whoever answers there is believed",
            "remove insecureSkipTLSVerify and label it chancery.dev/inject=true",
        )
    elif target.is_ours:
        yield from judge_bundle(label, bundle, roots, at=at)
    elif bundle.fault:
        yield problem(
            label,
            Cause.CA_BUNDLE_GARBAGE,
            f"its caBundle is not certificates: {bundle.fault}",
            "whoever wrote it has to write it again; or label it chancery.dev/inject=true",
        )
    backing = tuple(_judge_backing(observation))
    yield from backing
    believes = bundle.certificates and not target.skips_verification
    if isinstance(observation.dialled, Served) and believes and not backing:
        yield from judge_chain(
            label, observation.dialled, bundle, roots, server_name=target.server_name, at=at, is_ours=target.is_ours
        )
    if not backing:
        yield from _judge_way(observation)


def _judge_backing(observation: Observation) -> Iterator[Finding]:
    target, backing = observation.target, observation.backing
    if backing is None or target.service is None:
        return
    if not backing.is_there:
        yield problem(
            target.label,
            Cause.SERVICE_MISSING,
            f"there is no Service {target.service.namespace}/{target.service.name}",
            _LEFT_BEHIND.format(kind=target.kind.lower(), name=target.name),
        )
    elif not backing.ready and not backing.is_external:
        pods = f"{backing.unready} not ready" if backing.unready else "none at all"
        yield problem(
            target.label,
            Cause.ENDPOINTS_MISSING,
            f"no pod behind Service {target.service.namespace}/{target.service.name} is ready: {pods}{_blocks(target)}",
            "see the findings of its workload; a Service that selects no pods has a selector that is wrong",
        )


_LEFT_BEHIND = (
    "if its product was uninstalled this was left behind, and holds up discovery and the deletion of namespaces: "
    "kubectl delete {kind} {name}; else install it again"
)


def _judge_way(observation: Observation) -> Iterator[Finding]:
    target, dialled, word = observation.target, observation.dialled, observation.word
    if word is not None and not word.holds:
        ports = ",".join(map(str, observation.backing.ports)) if observation.backing else ""
        is_api_service = target.kind == "APIService"
        fault = fault_of_call(
            f"{word.reason}: {word.message}",
            port=ports or str(target.service.port if target.service else target.port),
            values=API_SERVER_VALUES if is_api_service else INJECTOR_VALUES,
            otherwise=Cause.API_SERVICE_UNAVAILABLE if is_api_service else Cause.WEBHOOK_FAILS,
        )
        said = (f"{word.reason}: {word.message}" if word.reason else word.message)[:_LONGEST_WORD]
        if target.kind == "Service" and "connection refused" not in said:
            yield _seen_by_nobody(target, said)
            return
        here = ", though it answers from here" if isinstance(dialled, Served) else ""
        yield problem(target.label, fault.cause, f"the API server does not get through{here}: {said}", fault.hint)
    elif isinstance(dialled, Missed):
        yield _missed(target, dialled, word)


def _missed(target: Target, missed: Missed, word: Word | None) -> Finding:
    if missed.miss is Miss.NO_TLS:
        return problem(
            target.label,
            Cause.TLS_MISSING,
            f"{target.address} answers, but not by TLS: {missed.detail}",
            "see whether the port is the one that serves, and the server's log",
        )
    if word is not None:  # the API server gets through, which is what counts
        return skipped(
            target.label,
            f"the served certificate was not seen: {target.address} is not reached from here, only by the API server",
            hint=_FROM_WITHIN,
        )
    if missed.miss is Miss.REFUSED:
        return problem(
            target.label,
            Cause.PORT_UNREACHABLE,
            f"{target.address} refuses connections: {missed.detail}",
            "nothing listens on the port that the Service leads to: compare its targetPort with the pod's",
        )
    return skipped(
        target.label,
        f"{target.address} is not reached from here: {missed.detail}",
        cause=Cause.PORT_UNREACHABLE,
        hint=_FROM_WITHIN,
    )


def _seen_by_nobody(target: Target, said: str) -> Finding:
    """The API server need not get to the authority: pods have to."""
    return skipped(
        target.label,
        f"{target.address} is reached neither from here nor by way of the API server: {said}",
        cause=Cause.PORT_UNREACHABLE,
        hint=_FROM_WITHIN,
    )


_FROM_WITHIN = "from within the cluster it may be: helm test, or this command in a pod"


def _fine(observation: Observation) -> Finding:
    target, dialled = observation.target, observation.dialled
    if isinstance(dialled, Served):
        leaf = dialled.leaf
        issuer = leaf.issuer.rfc4514_string()
        return fine(target.label, f"{target.address}, by {issuer}, until {instant(leaf.not_valid_after_utc)}")
    if observation.word is not None:
        return fine(target.label, f"{target.address}: the API server gets through")
    return fine(target.label, f"{target.address}: its caBundle is in place")


def _blocks(target: Target) -> str:
    if target.kind == "APIService":
        return "; every call to this API fails"
    return "; what it is asked about is refused" if target.failure_policy == "Fail" else ""
