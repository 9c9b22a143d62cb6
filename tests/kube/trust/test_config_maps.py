"""What becomes of ConfigMap chancery-roots in a namespace."""

import pytest

from kube.trust.config_maps import NAME, decide, first_generation_of, project
from kube.trust.steps import Create, Delete, Foreign, Update
from tests.kube.trust.made_roots import pem_of, roots_of

ROOTS = roots_of("a", "b", generation=4)


def config_map(pem=None, *, ours=True, metadata=None, **fields):
    labels = {"chancery.dev/published-by": "registrar"} if ours else {"app": "shop"}
    return {
        "metadata": {
            "name": "chancery-roots",
            "namespace": "shop",
            "uid": "u-1",
            "resourceVersion": "17",
            "labels": labels,
            **(metadata or {}),
        },
        **({} if pem is None else {"data": {"ca.crt": pem}}),
        **fields,
    }


def test_namespace_that_opted_in_gets_one_that_says_what_it_began_with():
    step = decide("shop", None, ROOTS, opted_in=True)

    assert isinstance(step, Create)
    assert step.document["data"] == {"ca.crt": (pem_of("a") + pem_of("b")).decode()}
    assert step.document["metadata"]["labels"] == {"chancery.dev/published-by": "registrar"}
    assert first_generation_of(step.document) == 4


def test_namespace_that_did_not_opt_in_gets_none():
    assert decide("shop", None, ROOTS, opted_in=False) is None


def test_one_that_holds_the_roots_is_not_written():
    crlf = ROOTS.pem.replace(b"\n", b"\r\n").decode()

    assert decide("shop", config_map(ROOTS.pem.decode()), ROOTS, opted_in=True) is None
    assert decide("shop", config_map(crlf), ROOTS, opted_in=True) is None


@pytest.mark.parametrize("pem", [None, "", pem_of("a").decode(), (ROOTS.pem + pem_of("c")).decode()])
def test_other_contents_are_replaced_in_that_version_only(pem):
    step = decide("shop", config_map(pem), ROOTS, opted_in=True)

    assert step == Update(
        name=NAME, patch={"metadata": {"resourceVersion": "17"}, "data": {"ca.crt": ROOTS.pem.decode()}}
    )


def test_garbage_is_replaced_and_said_to_be():
    assert decide("shop", config_map("garbage"), ROOTS, opted_in=True).was_garbage


def test_key_that_somebody_moved_to_binary_data_comes_back():
    step = decide("shop", config_map(binaryData={"ca.crt": "AAAA"}), ROOTS, opted_in=True)

    assert step.patch["binaryData"] == {"ca.crt": None}


def test_immutable_one_is_made_anew():
    step = decide("shop", config_map(pem_of("a").decode(), immutable=True), ROOTS, opted_in=True)

    assert step == Delete(name=NAME, uid="u-1", resource_version="17")


def test_ours_goes_with_the_opt_in():
    step = decide("shop", config_map(ROOTS.pem.decode()), ROOTS, opted_in=False)

    assert step == Delete(name=NAME, uid="u-1", resource_version="17")


@pytest.mark.parametrize("pem", [None, "theirs", ROOTS.pem.decode()])
def test_somebody_elses_is_never_touched(pem):
    assert decide("shop", config_map(pem, ours=False), ROOTS, opted_in=True) == Foreign(name=NAME)
    assert decide("shop", config_map(pem, ours=False), ROOTS, opted_in=False) is None


def test_one_that_is_being_deleted_is_waited_for():
    leaving = config_map("garbage", metadata={"deletionTimestamp": "2026-11-21T12:00:00Z"})

    assert decide("shop", leaving, ROOTS, opted_in=True) is None


@pytest.mark.parametrize("said", ["", "x", "-1", "9" * 40, "²"])
def test_annotation_that_somebody_changed_says_nothing(said):
    assert first_generation_of(config_map(metadata={"annotations": {"chancery.dev/first-generation": said}})) == 0


@pytest.mark.parametrize(
    "document",
    [
        config_map("x" * 10, immutable=True, binaryData={"ca.crt": "AAAA", "other": "BBBB"}),
        config_map(metadata={"deletionTimestamp": "now"}),
        config_map(ROOTS.pem.decode(), ours=False),
        {"metadata": {"labels": [], "annotations": 7}, "data": "text", "binaryData": None},
    ],
)
@pytest.mark.parametrize("opted_in", [True, False])
def test_what_is_kept_of_one_is_enough_to_decide(document, opted_in):
    kept = project(document)
    kept["metadata"] |= {
        key: document["metadata"][key] for key in ("name", "uid", "resourceVersion") if key in document["metadata"]
    }

    assert decide("shop", kept, ROOTS, opted_in=opted_in) == decide("shop", document, ROOTS, opted_in=opted_in)
