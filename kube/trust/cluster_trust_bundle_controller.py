"""The controller that publishes the trust bundle as ClusterTrustBundles, where the API server has them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

import structlog

from kube.ambient import Monotonic
from kube.cluster import Cluster, PatchKind
from kube.collections import Collection, Collections, Resource
from kube.controllers import Key, Watch
from kube.documents import JsonObject, name_of, resource_version_of, uid_of
from kube.errors import NotThere
from kube.events import EventType
from kube.trust import cluster_trust_bundles
from kube.trust.cluster_trust_bundles import SIGNER, VERSIONS, Create, Delete, Foreign, Step, Succession, Update
from kube.trust.current import CurrentRoots
from kube.trust.gate import Observed, Target
from kube.trust.labels import is_ours
from kube.trust.publishing import Reporter, Tell

_KIND = "ClusterTrustBundle"
_KEY = Key(kind=_KIND, name=SIGNER)
_OF_SIGNER = {"fieldSelector": f"spec.signerName={SIGNER}"}

_log = structlog.get_logger("chancery.kube.trust")


class ClusterTrustBundleController:
    """There is one key: the bundles of a signer are one matter."""

    name = "trust-cluster-bundles"

    def __init__(
        self,
        cluster: Cluster,
        collections: Collections,
        roots: CurrentRoots,
        reporter: Reporter,
        *,
        propagation: timedelta,
        boottime: Monotonic,
    ) -> None:
        """`propagation` is how long kubelets take to show pods what was written, and how long an old bundle stays."""
        self._cluster = cluster
        self._roots = roots
        self._reporter = reporter
        self._propagation = propagation.total_seconds()
        self._boottime = boottime
        self._succession = Succession(overlap=self._propagation)
        self._versions: Sequence[tuple[Resource, Collection]] = [
            (version, collections.of(version, query=_OF_SIGNER, projection=cluster_trust_bundles.project))
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
        self._roots.subscribe(lambda: tell((_KEY,)))

    def reconcile(self, key: Key) -> timedelta | None:
        roots, served = self._roots.get(), self._served()
        if roots is None or served is None:
            return None
        version, present = served
        now = self._boottime()
        for step in self._succession.steps(present, roots, version.api_version, now):
            if isinstance(step, Foreign):
                message = "a ClusterTrustBundle of this name is not ours and is not overwritten"
                self._reporter.say(key, step.document, EventType.WARNING, "ClusterTrustBundleNotOurs", message)
                continue
            with self._reporter.writing(key, _named(present, step)):
                self._take(version, step)
            _log.info("published", target=str(key), step=type(step).__name__.lower(), generation=roots.generation)
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
            version=" ".join(sorted(f"{uid_of(one)}/{resource_version_of(one)}" for one in live)),
            propagation=self._propagation,
            not_after=min(ends, default=None),
            about=live[0] if live else _about(served[0]),
        )

    def _served(self) -> tuple[Resource, Sequence[JsonObject]] | None:
        return next(((version, one.all()) for version, one in self._versions if one.is_served), None)

    def _take(self, version: Resource, step: Step) -> None:
        if isinstance(step, Create):
            self._cluster.create(version.path(), step.document)
        elif isinstance(step, Update):
            self._cluster.patch(version.path(name=step.name), step.patch, kind=PatchKind.MERGE)
        elif isinstance(step, Delete):
            try:
                self._cluster.delete(version.path(name=step.name), uid=step.uid, resource_version=step.resource_version)
            except NotThere:
                return


def _keys(_one: JsonObject) -> Iterable[Key]:
    return (_KEY,)


def _named(present: Sequence[JsonObject], step: Step) -> JsonObject:
    """What an Event about the step names."""
    if isinstance(step, Create):
        return step.document
    return next((one for one in present if isinstance(step, Update | Delete) and name_of(one) == step.name), {})


def _about(version: Resource) -> JsonObject:
    name = f"{SIGNER.replace('/', ':')}:"
    return {"apiVersion": version.api_version, "kind": _KIND, "metadata": {"name": name}}
