"""What the authority has to be told about a pod."""

import pytest

from kube.pods.decisions import Register, Release, Remembered, Surroundings, decide
from kube.pods.lifetimes import End
from kube.pods.names import NO_NAMES
from kube.pods.records import AccountRecord, NamespaceRecord, PodRecord, ServiceRecord
from kube.service_names import NameForms
from tests.kube.pods import documents

NAMES = ("web.shop", "web.shop.svc", "web.shop.svc.cluster.local")


def decision(pod, *, namespace=None, remembered=None, is_known=False, account=None):
    around = Surroundings(
        namespace=NamespaceRecord.from_document(namespace or documents.namespace()),
        account=AccountRecord.from_document(account or documents.account()),
        services=[ServiceRecord.from_document(documents.service())],
    )
    return decide(
        PodRecord.from_document(pod),
        around,
        remembered or Remembered(),
        forms=NameForms(),
        is_known=is_known,
    )


def registered(pod, **kwargs):
    answer = decision(pod, **kwargs)
    assert isinstance(answer, Register)
    return answer.names.allowed


@pytest.mark.parametrize(
    ("fields", "opted_in"),
    [
        ({}, False),
        ({"labels": {"app": "web"}}, True),
        ({"labels": {"app": "web"}, "annotations": {"chancery.dev/injected": "v1-sidecar"}}, False),
        ({"labels": {"app": "web"}, "annotations": {"chancery.dev/dns": " ".join(NAMES)}}, False),
        (
            {
                "labels": {"app": "web", "chancery.dev/inject": "false"},
                "annotations": {"chancery.dev/dns": " ".join(NAMES)},
            },
            False,
        ),
    ],
)
def test_pod_that_takes_part_has_names(fields, opted_in):
    assert registered(documents.pod(**fields), namespace=documents.namespace(opted_in=opted_in)) == NAMES


@pytest.mark.parametrize(
    ("labels", "opted_in"),
    [
        ({"app": "web"}, False),
        ({"app": "web", "chancery.dev/inject": "yes"}, False),
        ({"app": "web", "chancery.dev/inject": "false"}, True),
    ],
)
def test_pod_that_takes_no_part_has_none(labels, opted_in):
    answer = decision(documents.pod(labels=labels), namespace=documents.namespace(opted_in=opted_in))

    assert answer == Register(names=NO_NAMES, is_due=False)


def test_names_are_told_once():
    pod = documents.pod()

    assert decision(pod).is_due
    assert not decision(pod, remembered=Remembered(names=NAMES)).is_due
    assert decision(pod, remembered=Remembered(names=NAMES[:1])).is_due


def test_names_that_went_are_taken_away():
    pod = documents.pod(labels={"app": "web"})

    assert decision(pod, remembered=Remembered(names=NAMES)) == Register(names=NO_NAMES, is_due=True)


def test_names_that_a_registrar_of_before_may_have_registered_are_taken_away_once():
    pod = documents.pod(labels={"app": "web"})

    assert decision(pod, is_known=True).is_due
    assert not decision(pod, is_known=True, remembered=Remembered(names=())).is_due


def test_pod_or_namespace_that_is_being_deleted_has_no_names_any_more():
    leaving = {"deletionTimestamp": documents.at(documents.NOON)}

    assert registered(documents.pod(**leaving)) == ()
    assert registered(documents.pod(), namespace=documents.namespace(**leaving)) == ()


@pytest.mark.parametrize("spec", [{"nodeName": ""}, {"serviceAccountName": ""}])
def test_nothing_is_told_of_a_pod_that_is_on_no_node_or_has_no_identity(spec):
    assert decision(documents.pod(spec=spec)) is None


def test_end_is_told_once():
    pod = documents.pod(phase="Succeeded")

    assert decision(pod) == Release(end=End.POD_ENDED)
    assert decision(pod, remembered=Remembered(released_at=1.0)) is None


def test_pod_that_was_released_has_no_names_again():
    assert decision(documents.pod(), remembered=Remembered(released_at=1.0)) is None
