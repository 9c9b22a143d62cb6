"""Gathers whom the API server calls, and the authority's own ports, which everybody calls."""

import base64
from collections.abc import Iterator, Sequence

from certs.pem import join_certificates
from kube.core_resources import SERVICES
from kube.diagnosis.bundles import Bundle
from kube.diagnosis.findings import Finding
from kube.diagnosis.installation import PART_OF, Installation
from kube.diagnosis.looking import Looker, Unseen
from kube.diagnosis.observing import Asked
from kube.diagnosis.product import unseen
from kube.diagnosis.targets import ServicePort, Target, targets_of
from kube.documents import JsonObject, name_of, objects, text, texts
from kube.injection.kinds import KINDS
from kube.vocabulary import OPTED_IN

_PORTS = ("https", "grpc", "enrollment")
HTTPS = "https"


def gather_targets(looker: Looker, *, every: bool) -> tuple[Sequence[Asked], Sequence[Finding]]:
    """Those that asked for the bundle, or `every` one; and what could not be seen."""
    asked: list[Asked] = []
    missing: list[Finding] = []
    for kind in KINDS:
        found = looker.all_of(kind.resource, query={} if every else OPTED_IN)
        if isinstance(found, Unseen):
            missing.append(unseen(kind.name, found))
            continue
        for document in found:
            asked += _asked(kind.name, document)
    return asked, missing


def gather_authority(looker: Looker, installation: Installation, roots: Bundle | None) -> Sequence[Asked]:
    """The ports of the authority's Service that serve TLS, to be believed by the roots that it published."""
    if roots is None:
        return ()
    found = looker.all_of(SERVICES, installation.namespace, PART_OF)
    if isinstance(found, Unseen):
        return ()
    pem = base64.b64encode(join_certificates(roots.certificates)).decode()
    asked = []
    for service in found:
        if texts(service, "metadata", "labels").get("app.kubernetes.io/component") != "ca":
            continue
        for port in objects(service, "spec", "ports"):
            number = port.get("port")
            if text(port, "name") in _PORTS and isinstance(number, int):
                place = ServicePort(namespace=installation.namespace, name=name_of(service), port=number)
                target = Target(
                    kind="Service",
                    name=name_of(service),
                    webhook=text(port, "name"),
                    service=place,
                    ca_bundle=pem,
                    is_ours=True,
                )
                asked.append(Asked(target=target, document=service))
    return asked


def _asked(kind: str, document: JsonObject) -> Iterator[Asked]:
    targets = list(targets_of(kind, document))
    webhooks = objects(document, "webhooks")
    entries = webhooks if len(webhooks) == len(targets) else [document] * len(targets)
    for target, entry in zip(targets, entries, strict=True):
        yield Asked(target=target, document=entry)
