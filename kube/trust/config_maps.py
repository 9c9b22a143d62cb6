"""The trust bundle in a namespace: ConfigMap `chancery-roots`, key `ca.crt`. What is there and what should be in, a step out.

- Of ours, nothing but the one key is written.
"""

from kube.collections import Resource
from kube.documents import JsonObject, is_being_deleted, mapping, resource_version_of, texts
from kube.projections import kept_metadata
from kube.trust.contents import Contents, kept
from kube.trust.labels import FIRST_GENERATION, PUBLISHED_BY, REGISTRAR, is_ours
from kube.trust.roots import Roots
from kube.trust.steps import Delete, Step, Update, step_towards

CONFIG_MAPS = Resource(version="v1", plural="configmaps")
NAME = "chancery-roots"
KEY = "ca.crt"


def decide(namespace: str, present: JsonObject | None, roots: Roots, *, opted_in: bool) -> Step | None:
    """None: nothing is to be done."""
    if opted_in:
        return step_towards(_document(namespace, roots), present, lambda ours: _correction(ours, roots))
    if present is None or is_being_deleted(present) or not is_ours(present):
        return None
    return Delete.of(present)


def _correction(present: JsonObject, roots: Roots) -> Step | None:
    contents = contents_of(present)
    if contents.fingerprints == roots.fingerprints:
        return None
    if present.get("immutable") is True:
        return Delete.of(present)  # it is made anew once it is gone
    return Update(name=NAME, patch=_patch(present, roots), was_garbage=contents.is_garbage)


def contents_of(document: JsonObject) -> Contents:
    return Contents.from_text(mapping(document, "data").get(KEY))


def first_generation_of(document: JsonObject) -> int:
    """0 where it is not told."""
    said = texts(document, "metadata", "annotations").get(FIRST_GENERATION, "")
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 19 else 0


def project(document: JsonObject) -> JsonObject:
    data, octets = mapping(document, "data"), mapping(document, "binaryData")
    return {
        "metadata": kept_metadata(document, labels=(PUBLISHED_BY,), annotations=(FIRST_GENERATION,)),
        "immutable": document.get("immutable"),
        "data": {KEY: kept(data[KEY])} if KEY in data else {},
        "binaryData": {KEY: ""} if KEY in octets else {},
    }


def _document(namespace: str, roots: Roots) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "labels": {PUBLISHED_BY: REGISTRAR},
            "annotations": {FIRST_GENERATION: str(roots.generation)},
        },
        "data": {KEY: roots.pem.decode()},
    }


def _patch(present: JsonObject, roots: Roots) -> JsonObject:
    patch: JsonObject = {
        "metadata": {"resourceVersion": resource_version_of(present)},
        "data": {KEY: roots.pem.decode()},
    }
    if KEY in mapping(present, "binaryData"):  # a key is in one of them only
        patch["binaryData"] = {KEY: None}
    return patch
