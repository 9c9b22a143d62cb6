"""What is kept of pods, Services and service accounts: a few fields of each document, in their places.

- A cluster has ten thousand pods: what many of them say in the same words is held once.
- What is left, with what `kube.collections` keeps of any object, is read by `kube.pods.records` as the whole would be: unless
  somebody wrote more than anybody needs. Then it says less, and gives the pod no name that the whole would not.
"""

import itertools
import sys

from kube.documents import JsonObject, JsonValue, mapping
from kube.projections import kept_fields, kept_metadata, once
from kube.vocabulary import DNS_ANNOTATION, INJECT_LABEL, INJECTED_ANNOTATION

MOST_LABELS = 250
LONGEST_ANNOTATION = 25_000
"""Characters: as many names as a certificate has room for."""


def project_pod(document: JsonObject) -> JsonObject:
    metadata = kept_metadata(document, annotations=(DNS_ANNOTATION, INJECTED_ANNOTATION))
    if annotations := mapping(metadata, "annotations"):
        metadata["annotations"] = {name: _cut(value) for name, value in annotations.items()}
    if labels := _bounded(mapping(document, "metadata", "labels")):
        metadata["labels"] = labels
    spec = kept_fields(mapping(document, "spec"), "serviceAccountName", "nodeName", "hostname", "subdomain")
    return {"metadata": metadata, "spec": spec, "status": kept_fields(mapping(document, "status"), "phase")}


def project_service(document: JsonObject) -> JsonObject:
    spec = mapping(document, "spec")
    kept = kept_fields(spec, "type", "clusterIP")
    selector = mapping(spec, "selector")
    if selector and len(selector) <= MOST_LABELS:
        kept["selector"] = _shared(selector)
    return {"metadata": kept_metadata(document), "spec": kept}


def project_service_account(document: JsonObject) -> JsonObject:
    return {"metadata": kept_metadata(document)}


def _cut(value: JsonValue) -> JsonValue:
    return value[:LONGEST_ANNOTATION] if isinstance(value, str) else value


def _bounded(labels: JsonObject) -> JsonObject:
    some = _shared(dict(itertools.islice(labels.items(), MOST_LABELS)))
    return {**some, INJECT_LABEL: once(labels[INJECT_LABEL])} if INJECT_LABEL in labels else some


def _shared(fields: JsonObject) -> JsonObject:
    return {sys.intern(key): once(value) for key, value in fields.items()}
