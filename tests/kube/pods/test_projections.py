"""What is kept of documents is enough to read them by, and nothing else is kept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.listing import reduced
from kube.pods.names import asked_names
from kube.pods.projections import MOST_LABELS, project_pod, project_service, project_service_account
from kube.pods.records import AccountRecord, NamespaceRecord, PodRecord, ServiceRecord
from kube.projections import project_namespace
from tests.kube.pods import documents

WORDY = {"chancery.dev/dns": "a", "chancery.dev/injected": "v1-init", "big": "x" * 9999}
ALL = [
    (project_pod, PodRecord, documents.pod(spec={"hostname": "a", "subdomain": "b"}, phase="Failed")),
    (project_pod, PodRecord, documents.pod(annotations=WORDY)),
    (project_pod, PodRecord, documents.pod(deletionTimestamp=documents.at(documents.NOON), labels={})),
    (project_service, ServiceRecord, documents.service()),
    (project_service, ServiceRecord, documents.headless(selector={})),
    (project_service, ServiceRecord, documents.service(spec={"type": "ExternalName"})),
    (project_service_account, AccountRecord, documents.account()),
    (project_namespace, NamespaceRecord, documents.namespace(opted_in=True)),
    (project_namespace, NamespaceRecord, documents.namespace(deletionTimestamp=documents.at(documents.NOON))),
]  # fmt: skip


@pytest.mark.parametrize(("projection", "record", "document"), ALL)
def test_what_is_kept_reads_as_the_whole(projection, record, document):
    assert record.from_document(reduced(document, projection)) == record.from_document(document)


@pytest.mark.parametrize(("projection", "_record", "document"), ALL)
def test_what_is_kept_is_small(projection, _record, document):
    kept = json.dumps(reduced(document, projection))

    assert len(kept) < 600
    assert "managedFields" not in kept


def test_pod_that_somebody_made_huge_is_kept_small_and_has_no_name_more():
    labels = {f"a{number}": "x" * 63 for number in range(5000)} | {"app": "web", "chancery.dev/inject": "true"}
    annotations = {"chancery.dev/dns": "web.shop.svc," * 20_000, "chancery.dev/injected": "x" * 200_000}
    huge = documents.pod(labels=labels, annotations=annotations)
    kept = reduced(huge, project_pod)
    record = PodRecord.from_document(kept)

    assert len(json.dumps(kept)) < 80_000
    assert set(record.labels.items()) < set(labels.items())
    assert record.labels["chancery.dev/inject"] == "true"
    assert set(asked_names(record.dns)) <= {"web.shop.svc", *("web.shop.svc"[:end] for end in range(12))}
    assert record.is_injected


def test_service_with_more_labels_in_its_selector_than_are_kept_of_a_pod_selects_nothing():
    selector = {f"a{number}": "x" for number in range(MOST_LABELS + 1)}
    pod = documents.pod(labels=dict(list(selector.items())[:MOST_LABELS]))
    service = ServiceRecord.from_document(reduced(documents.service(selector=selector), project_service))

    assert not service.selects(PodRecord.from_document(reduced(pod, project_pod)))


_TEXTS = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
shapes = st.fixed_dictionaries(
    {},
    optional={
        "metadata": json_values
        | st.fixed_dictionaries(
            {},
            optional=dict.fromkeys((*_TEXTS, "labels", "annotations"), json_values),
        ),
        "spec": json_values | st.fixed_dictionaries({}, optional={"selector": json_values, "type": json_values}),
        "status": json_values | st.fixed_dictionaries({"phase": json_values}),
    },
)


@pytest.mark.parametrize(("projection", "record"), list(dict.fromkeys(each[:2] for each in ALL)))
@given(document=shapes)
def test_documents_of_any_shape_are_read_alike(projection, record, document):
    assert record.from_document(reduced(document, projection)) == record.from_document(document)
