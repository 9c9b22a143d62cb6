"""Whether what has one of our names is ours: by its form, as others may have added to it since, and versions change."""

from collections.abc import Iterator

from kube.admission.errors import Fault
from kube.admission.names import AGENT_CONTAINER, BOOTSTRAP_VOLUME, FIRST_CONTAINER, IDENTITY_VOLUME, Mode
from kube.admission.pods import Container, Pod
from kube.admission.settings import Injection
from kube.documents import JsonObject, mapping, objects, sequence, text

_PLACES = {
    Mode.POD_CERTIFICATE: frozenset[tuple[str, str]](),
    Mode.SIDECAR: frozenset({("initContainers", AGENT_CONTAINER)}),
    Mode.INIT: frozenset({("initContainers", FIRST_CONTAINER), ("containers", AGENT_CONTAINER)}),
}


def verify_names(pod: Pod, mode: Mode, injection: Injection) -> Iterator[Fault]:
    """A fault for each volume and container that has a name of ours and is something else."""
    identity, bootstrap = pod.volume(IDENTITY_VOLUME), pod.volume(BOOTSTRAP_VOLUME)
    if identity is not None:
        is_ours = _is_certificate(identity, injection) if mode is Mode.POD_CERTIFICATE else is_memory(identity)
        if not is_ours:
            yield _taken(f"volume {IDENTITY_VOLUME}", "spec.volumes")
    if bootstrap is not None and (mode is Mode.POD_CERTIFICATE or not _is_bootstrap(bootstrap, injection)):
        yield _taken(f"volume {BOOTSTRAP_VOLUME}", "spec.volumes")
    seen: set[tuple[str, str]] = set()
    for one in pod.ours:
        place = (one.within, one.name)
        if place not in _PLACES[mode] or place in seen or not _is_agent(one):
            yield _taken(f"container {one.name}", f"spec.{one.within}[{one.index}]")
        seen.add(place)


def is_memory(volume: JsonObject) -> bool:
    return mapping(volume, "emptyDir").get("medium") == "Memory"


def _is_certificate(volume: JsonObject, injection: Injection) -> bool:
    sources = objects(volume, "projected", "sources")
    return any(text(source, "podCertificate", "signerName") == injection.signer for source in sources)


def _is_bootstrap(volume: JsonObject, injection: Injection) -> bool:
    sources = objects(volume, "projected", "sources")
    return any(text(source, "serviceAccountToken", "audience") == injection.audience for source in sources)


def _is_agent(container: Container) -> bool:
    mounted = {text(mount, "name") for mount in container.mounts}
    return sequence(container.document, "args")[:1] == ["agent"] and {IDENTITY_VOLUME, BOOTSTRAP_VOLUME} <= mounted


def _taken(what: str, field: str) -> Fault:
    return Fault(
        reason="NAME_TAKEN", field=field, message=f"{what} is there and is not the injector's; give it another name"
    )
