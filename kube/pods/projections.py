"""What is kept of pods, Services, service accounts and namespaces: a few fields of each document, in their places.

- A cluster has ten thousand pods: what many of them say in the same words is held once.
- What is left, with what `kube.collections` keeps of any object, is read by `kube.pods.records` as the whole would be.
"""

import sys

from kube.documents import JsonObject, JsonValue, mapping
from kube.vocabulary import DNS_ANNOTATION, INJECT_LABEL, INJECTED_ANNOTATION

_TIMES = ("creationTimestamp", "deletionTimestamp")


def project_pod(document: JsonObject) -> JsonObject:
    metadata = _metadata(document)
    if labels := _shared(mapping(document, "metadata", "labels")):
        metadata["labels"] = labels
    if annotations := _some(mapping(document, "metadata", "annotations"), DNS_ANNOTATION, INJECTED_ANNOTATION):
        metadata["annotations"] = annotations
    spec = _some(mapping(document, "spec"), "serviceAccountName", "nodeName", "hostname", "subdomain")
    return {"metadata": metadata, "spec": spec, "status": _some(mapping(document, "status"), "phase")}


def project_service(document: JsonObject) -> JsonObject:
    spec = mapping(document, "spec")
    kept = _some(spec, "type", "clusterIP")
    if selector := _shared(mapping(spec, "selector")):
        kept["selector"] = selector
    return {"metadata": _metadata(document), "spec": kept}


def project_service_account(document: JsonObject) -> JsonObject:
    return {"metadata": _metadata(document)}


def project_namespace(document: JsonObject) -> JsonObject:
    metadata = _metadata(document)
    if labels := _some(mapping(document, "metadata", "labels"), INJECT_LABEL):
        metadata["labels"] = labels
    return {"metadata": metadata}


def _metadata(document: JsonObject) -> JsonObject:
    return {key: value for key, value in mapping(document, "metadata").items() if key in _TIMES}


def _some(fields: JsonObject, *keys: str) -> JsonObject:
    return {key: _once(fields[key]) for key in keys if key in fields}


def _shared(fields: JsonObject) -> JsonObject:
    return {sys.intern(key): _once(value) for key, value in fields.items()}


def _once(value: JsonValue) -> JsonValue:
    return sys.intern(value) if type(value) is str else value
