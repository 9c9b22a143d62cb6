"""What is kept of pods, Services and service accounts: a few fields of each document, in their places.

- A cluster has ten thousand pods: what many of them say in the same words is held once.
- What is left, with what `kube.collections` keeps of any object, is read by `kube.pods.records` as the whole would be.
"""

import sys

from kube.documents import JsonObject, mapping
from kube.projections import kept_fields, kept_metadata, once
from kube.vocabulary import DNS_ANNOTATION, INJECTED_ANNOTATION


def project_pod(document: JsonObject) -> JsonObject:
    metadata = kept_metadata(document, annotations=(DNS_ANNOTATION, INJECTED_ANNOTATION))
    if labels := _shared(mapping(document, "metadata", "labels")):
        metadata["labels"] = labels
    spec = kept_fields(mapping(document, "spec"), "serviceAccountName", "nodeName", "hostname", "subdomain")
    return {"metadata": metadata, "spec": spec, "status": kept_fields(mapping(document, "status"), "phase")}


def project_service(document: JsonObject) -> JsonObject:
    spec = mapping(document, "spec")
    kept = kept_fields(spec, "type", "clusterIP")
    if selector := _shared(mapping(spec, "selector")):
        kept["selector"] = selector
    return {"metadata": kept_metadata(document), "spec": kept}


def project_service_account(document: JsonObject) -> JsonObject:
    return {"metadata": kept_metadata(document)}


def _shared(fields: JsonObject) -> JsonObject:
    return {sys.intern(key): once(value) for key, value in fields.items()}
