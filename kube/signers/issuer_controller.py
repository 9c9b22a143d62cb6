"""Says of each Issuer and ClusterIssuer of ours whether it can be used."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from ca.client.errors import ClientError
from kube.controllers import Key, Watch, key_of
from kube.documents import JsonObject, is_being_deleted, name_of, namespace_of
from kube.signers.conditions import LONGEST_WAIT
from kube.signers.errors import AnswerUnfit
from kube.signers.issuers import CLUSTER_ISSUERS, ISSUERS, KINDS, readiness, with_readiness
from kube.signers.parts import SignerParts

_LOOK_AGAIN = timedelta(seconds=15)


class IssuerController:
    name = "issuers"

    def __init__(self, parts: SignerParts) -> None:
        self._parts = parts

    def watches(self) -> Sequence[Watch]:
        return [
            Watch(
                resource=ISSUERS,
                projection=_projected,
                keys=lambda one: (replace(key_of(one), kind="Issuer"),),
                full_pass=LONGEST_WAIT,
            ),
            Watch(
                resource=CLUSTER_ISSUERS,
                projection=_projected,
                keys=lambda one: (replace(key_of(one), kind="ClusterIssuer"),),
                full_pass=LONGEST_WAIT,
            ),
        ]

    def reconcile(self, key: Key) -> timedelta | None:
        resource = KINDS[key.kind]
        document = self._parts.lookups.find(resource, key.namespace, key.name)
        if document is None or is_being_deleted(document):
            return None
        status, reason, message = readiness(document, fault_of_authority=self._fault_of_authority())
        changed = with_readiness(document, status=status, reason=reason, message=message, now=self._parts.clock())
        path = resource.path(namespace_of(document) or None, name_of(document), "status")
        if changed is not None and not self._parts.replace(path, changed):
            return None
        return _LOOK_AGAIN if reason == "AuthorityUnreachable" else None

    def _fault_of_authority(self) -> str:
        try:
            self._parts.authority.roots()
        except (ClientError, AnswerUnfit) as err:
            return str(err)
        return ""


def _projected(document: JsonObject) -> JsonObject:
    """Of what is kept, the generation alone tells a change of the spec from our own writing."""
    metadata = document.get("metadata")
    return {"generation": metadata.get("generation") if isinstance(metadata, dict) else None}
