"""The controller that keeps ConfigMap `chancery-roots` in the namespaces that opted in, and nowhere else."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from kube.controllers import Key, Watch
from kube.core_resources import NAMESPACES, PODS
from kube.documents import JsonObject, name_of, namespace_of
from kube.projections import project_namespace
from kube.trust import config_maps
from kube.trust.config_maps import CONFIG_MAPS, NAME
from kube.trust.contents import Contents
from kube.trust.gate import Observed, Target
from kube.trust.opting_in import OptingIn, project_pod
from kube.trust.publishing import PublisherParts, Tell, version_of
from kube.vocabulary import OPTED_IN

_KIND = "ConfigMap"
_NAMED = {"fieldSelector": f"metadata.name={NAME}"}


class ConfigMapController:
    """Keys are namespaces."""

    name = "trust-config-maps"

    def __init__(self, parts: PublisherParts, *, opting_in: OptingIn, propagation: timedelta) -> None:
        """`propagation` is how long kubelets take to show pods what was written."""
        self._parts = parts
        self._opting_in = opting_in
        self._propagation = propagation.total_seconds()
        self._namespaces = parts.collections.of(NAMESPACES, projection=project_namespace)
        self._pods = parts.collections.of(PODS, query=OPTED_IN, projection=project_pod)
        self._config_maps = parts.collections.of(CONFIG_MAPS, query=_NAMED, projection=config_maps.project)

    def watches(self) -> Sequence[Watch]:
        return (
            Watch(resource=NAMESPACES, projection=project_namespace, keys=lambda one: (_key(name_of(one)),)),
            Watch(resource=PODS, query=OPTED_IN, projection=project_pod, keys=_key_of_namespaced, full_pass=None),
            Watch(resource=CONFIG_MAPS, query=_NAMED, projection=config_maps.project, keys=_key_of_namespaced),
        )

    def tell_by(self, tell: Tell) -> None:
        """`tell` is called with every key when the roots change."""
        self._parts.roots.subscribe(lambda: tell(_key(name_of(one)) for one in self._namespaces.all()))

    def reconcile(self, key: Key) -> timedelta | None:
        roots = self._parts.roots.get()
        if roots is None:
            return None  # the bundle is told when it is there
        present = self._config_maps.get(key.namespace, NAME)
        namespace = self._namespaces.get("", key.namespace)
        step = config_maps.decide(key.namespace, present, roots, opted_in=self._is_in(key.namespace, namespace))
        if step is None:
            self._parts.reporter.forget(key)
        else:
            about = present or namespace or {}
            self._parts.take(step, CONFIG_MAPS, key, about, generation=roots.generation)
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
            version="" if present is None else version_of(present),
            propagation=self._propagation,
            first_generation=0 if present is None else config_maps.first_generation_of(present),
            not_after=contents.not_after,
            about=present or namespace,
        )

    def _is_in(self, name: str, namespace: JsonObject | None) -> bool:
        return self._opting_in.includes(name, namespace, has_pod=self._pods.has_any_in(name))


def _key(namespace: str) -> Key:
    return Key(kind=_KIND, namespace=namespace, name=NAME)


def _key_of_namespaced(one: JsonObject) -> Iterable[Key]:
    return (_key(namespace_of(one)),)
