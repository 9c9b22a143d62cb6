"""The controller that keeps ConfigMap `chancery-roots` in the namespaces that opted in, and nowhere else."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

import structlog

from kube.cluster import Cluster, PatchKind
from kube.collections import Collections
from kube.controllers import Key, Watch
from kube.core_resources import NAMESPACES, PODS
from kube.documents import JsonObject, name_of, namespace_of, resource_version_of, uid_of
from kube.errors import NotThere
from kube.events import EventType
from kube.projections import project_namespace
from kube.trust import config_maps
from kube.trust.config_maps import CONFIG_MAPS, NAME, Create, Delete, Foreign, Step, Update
from kube.trust.contents import Contents
from kube.trust.current import CurrentRoots
from kube.trust.gate import Observed, Target
from kube.trust.opting_in import OptingIn, project_pod
from kube.trust.publishing import Reporter, Tell
from kube.trust.roots import Roots
from kube.vocabulary import OPTED_IN

_KIND = "ConfigMap"
_NAMED = {"fieldSelector": f"metadata.name={NAME}"}

_log = structlog.get_logger("chancery.kube.trust")


class ConfigMapController:
    """Keys are namespaces."""

    name = "trust-config-maps"

    def __init__(
        self,
        cluster: Cluster,
        collections: Collections,
        roots: CurrentRoots,
        reporter: Reporter,
        *,
        opting_in: OptingIn,
        propagation: timedelta,
    ) -> None:
        """`propagation` is how long kubelets take to show pods what was written."""
        self._cluster = cluster
        self._roots = roots
        self._reporter = reporter
        self._opting_in = opting_in
        self._propagation = propagation.total_seconds()
        self._namespaces = collections.of(NAMESPACES, projection=project_namespace)
        self._pods = collections.of(PODS, query=OPTED_IN, projection=project_pod)
        self._config_maps = collections.of(CONFIG_MAPS, query=_NAMED, projection=config_maps.project)

    def watches(self) -> Sequence[Watch]:
        return (
            Watch(resource=NAMESPACES, projection=project_namespace, keys=lambda one: (_key(name_of(one)),)),
            Watch(resource=PODS, query=OPTED_IN, projection=project_pod, keys=_key_of_namespaced, full_pass=None),
            Watch(resource=CONFIG_MAPS, query=_NAMED, projection=config_maps.project, keys=_key_of_namespaced),
        )

    def tell_by(self, tell: Tell) -> None:
        """`tell` is called with every key when the roots change."""
        self._roots.subscribe(lambda: tell(_key(name_of(one)) for one in self._namespaces.all()))

    def reconcile(self, key: Key) -> timedelta | None:
        roots = self._roots.get()
        if roots is None:
            return None  # the bundle is told when it is there
        present = self._config_maps.get(key.namespace, NAME)
        namespace = self._namespaces.get("", key.namespace)
        step = config_maps.decide(key.namespace, present, roots, opted_in=self._is_in(key.namespace, namespace))
        if isinstance(step, Foreign):
            message = (
                f"ConfigMap {NAME} is not ours and is not overwritten: remove it, and the trust bundle is published"
            )
            self._reporter.say(key, present or {}, EventType.WARNING, "ConfigMapNotOurs", message)
        elif step is None:
            self._reporter.forget(key)
        else:
            with self._reporter.writing(key, present or namespace or {}):
                self._take(key, step)
            self._say(key, present, step, roots)
        return None

    def observed(self) -> Iterator[Observed]:
        for namespace in self._namespaces.all():
            name = name_of(namespace)
            if self._is_in(name, namespace):
                yield self._observed(namespace, self._config_maps.get(name, NAME))

    def _observed(self, namespace: JsonObject, present: JsonObject | None) -> Observed:
        contents = Contents() if present is None else config_maps.contents_of(present)
        return Observed(
            target=Target(kind=_KIND, namespace=name_of(namespace), name=NAME),
            fingerprints=contents.fingerprints,
            version="" if present is None else f"{uid_of(present)}/{resource_version_of(present)}",
            propagation=self._propagation,
            first_generation=0 if present is None else config_maps.first_generation_of(present),
            not_after=contents.not_after,
            about=present or namespace,
        )

    def _is_in(self, name: str, namespace: JsonObject | None) -> bool:
        return self._opting_in.includes(name, namespace, has_pod=self._pods.has_any_in(name))

    def _take(self, key: Key, step: Step) -> None:
        if isinstance(step, Create):
            self._cluster.create(CONFIG_MAPS.path(key.namespace), step.document)
            return
        path = CONFIG_MAPS.path(key.namespace, NAME)
        if isinstance(step, Update):
            self._cluster.patch(path, step.patch, kind=PatchKind.MERGE)
        elif isinstance(step, Delete):
            try:
                self._cluster.delete(path, uid=step.uid, resource_version=step.resource_version)
            except NotThere:
                return

    def _say(self, key: Key, present: JsonObject | None, step: Step, roots: Roots) -> None:
        if isinstance(step, Update) and step.was_garbage and present is not None:
            message = f"what cannot be read as certificates was replaced in key {config_maps.KEY}"
            self._reporter.say_again(key, present, EventType.WARNING, "GarbageReplaced", message)
        _log.info("published", target=str(key), step=type(step).__name__.lower(), generation=roots.generation)


def _key(namespace: str) -> Key:
    return Key(kind=_KIND, namespace=namespace, name=NAME)


def _key_of_namespaced(one: JsonObject) -> Iterable[Key]:
    return (_key(namespace_of(one)),)
