"""The controller that publishes the trust bundle as ClusterTrustBundles, where the API server has them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from kube.ambient import Monotonic
from kube.collections import Collection, Resource
from kube.controllers import Key, Watch
from kube.documents import JsonObject, name_of
from kube.trust import cluster_trust_bundles
from kube.trust.cluster_trust_bundles import SIGNER, VERSIONS, Succession
from kube.trust.gate import Observed, Target
from kube.trust.labels import is_ours
from kube.trust.publishing import PublisherParts, Tell, version_of
from kube.trust.steps import Create, Step

_KIND = "ClusterTrustBundle"
_KEY = Key(kind=_KIND, name=SIGNER)
_OF_SIGNER = {"fieldSelector": f"spec.signerName={SIGNER}"}


class ClusterTrustBundleController:
    """There is one key: the bundles of a signer are one matter."""

    name = "trust-cluster-bundles"

    def __init__(self, parts: PublisherParts, *, propagation: timedelta, boottime: Monotonic) -> None:
        """`propagation` is how long kubelets take to show pods what was written, and how long an old bundle stays."""
        self._parts = parts
        self._propagation = propagation.total_seconds()
        self._boottime = boottime
        self._succession = Succession(overlap=self._propagation)
        self._versions: Sequence[tuple[Resource, Collection]] = [
            (version, parts.collections.of(version, query=_OF_SIGNER, projection=cluster_trust_bundles.project))
            for version in VERSIONS
        ]

    def watches(self) -> Sequence[Watch]:
        project = cluster_trust_bundles.project
        return [Watch(resource=one, query=_OF_SIGNER, projection=project, keys=_keys) for one in VERSIONS]

    def seeds(self) -> Iterable[Key]:
        return (_KEY,)

    def begin_term(self) -> None:
        self._succession = Succession(overlap=self._propagation)

    def tell_by(self, tell: Tell) -> None:
        """`tell` is called with every key when the roots change."""
        self._parts.roots.subscribe(lambda: tell((_KEY,)))

    def reconcile(self, key: Key) -> timedelta | None:
        roots, served = self._parts.roots.get(), self._served()
        if roots is None or served is None:
            return None
        version, present = served
        now = self._boottime()
        for step in self._succession.steps(present, roots, version.api_version, now):
            self._parts.take(step, version, key, _named(present, step), generation=roots.generation)
        seconds = self._succession.next_look(now)
        return None if seconds is None else timedelta(seconds=seconds)

    def observed(self) -> Iterator[Observed]:
        """One target: who selects by the label trusts all of them together."""
        served = self._served()
        if served is None:
            return
        live = [one for one in served[1] if is_ours(one) and cluster_trust_bundles.is_live(one)]
        contents = [cluster_trust_bundles.contents_of(one) for one in live]
        ends = [one.not_after for one in contents if one.not_after is not None]
        yield Observed(
            target=Target(kind=_KIND, name=SIGNER),
            fingerprints=frozenset[str]().union(*(one.fingerprints for one in contents)),
            version=" ".join(sorted(map(version_of, live))),
            propagation=self._propagation,
            not_after=min(ends, default=None),
            about=live[0] if live else _about(served[0]),
        )

    def _served(self) -> tuple[Resource, Sequence[JsonObject]] | None:
        return next(((version, one.all()) for version, one in self._versions if one.is_served), None)


def _keys(_one: JsonObject) -> Iterable[Key]:
    return (_KEY,)


def _named(present: Sequence[JsonObject], step: Step) -> JsonObject:
    """What an Event about the step names."""
    if isinstance(step, Create):
        return step.document
    return next(one for one in present if name_of(one) == step.name)


def _about(version: Resource) -> JsonObject:
    name = f"{SIGNER.replace('/', ':')}:"
    return {"apiVersion": version.api_version, "kind": _KIND, "metadata": {"name": name}}
