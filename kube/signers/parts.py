"""What every controller of the signers is made of, and how each of them writes."""

from dataclasses import dataclass

from kube.ambient import Clock
from kube.cluster import Cluster
from kube.documents import JsonObject
from kube.errors import NotThere
from kube.signers.authority import Authority
from kube.signers.lookups import Lookups
from kube.signers.outcomes import Outcomes
from kube.signers.settings import SignerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerParts:
    cluster: Cluster
    authority: Authority
    outcomes: Outcomes
    settings: SignerSettings
    clock: Clock

    @property
    def lookups(self) -> Lookups:
        return Lookups(self.cluster)

    def replace(self, path: str, changed: JsonObject) -> bool:
        """Whether the object was still there. Raises Conflict where it changed since, and what else `Cluster.replace` does."""
        try:
            self.cluster.replace(path, changed)
        except NotThere:
            return False
        return True
