"""Manifests for tests, as documents and as files."""

from copy import deepcopy

import yaml

from apiserver.errors import KindsInvalid
from apiserver.kinds.manifests import load_kinds

TEXT = {"type": "string"}


def version(name="v1", *, storage=True, schema=None, **more):
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": schema or {"type": "object", "properties": {"spec": {"type": "object"}}}},
        **more,
    }


def manifest(
    plural="things", kind="Thing", group="example.com", *, annotations=None, versions=None, scope="Namespaced"
):
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", **({"annotations": annotations} if annotations else {})},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"plural": plural, "kind": kind},
            "versions": versions or [version()],
        },
    }


def changed(path, value, document=None):
    """A manifest with one field set; removed, where the value is None."""
    document = deepcopy(document or manifest())
    *way, last = path.split(".")
    inner = document
    for name in way:
        inner = inner[int(name)] if isinstance(inner, list) else inner.setdefault(name, {})
    if isinstance(inner, list):
        inner[int(last)] = value
    elif value is None:
        del inner[last]
    else:
        inner[last] = value
    return document


def load(directory, *documents):
    """The kinds of one file that holds all documents."""
    path = directory / "kinds.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    return load_kinds([path])


def faults_of(directory, *documents):
    try:
        load(directory, *documents)
    except KindsInvalid as err:
        return list(err.faults)
    return []
