"""Which object gets which patch."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.cluster import PatchKind
from kube.injection.decisions import Injection, decide
from kube.injection.kinds import KINDS, LeftAlone
from tests.kube.trust.made_roots import pem_of, roots_of

ROOTS = roots_of("a", "b", generation=4)
VALIDATING, MUTATING, API_SERVICE, CRD = KINDS


def b64(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


BUNDLE = b64(ROOTS.pem)


def labelled(**fields):
    labels = {"chancery.dev/inject": fields.pop("label", "true")}
    return {"metadata": {"name": "one", "uid": "u", "resourceVersion": "17", "labels": labels}, **fields}


def webhook(name, ca_bundle=None, **client):
    client = client or {"service": {"namespace": "shop", "name": "hook"}}
    return {"name": name, "clientConfig": client if ca_bundle is None else {**client, "caBundle": ca_bundle}}


def conversion(ca_bundle=None, strategy="Webhook"):
    client = {
        "service": {"namespace": "shop", "name": "hook"},
        **({} if ca_bundle is None else {"caBundle": ca_bundle}),
    }
    return {"spec": {"conversion": {"strategy": strategy, "webhook": {"clientConfig": client}}}}


@pytest.mark.parametrize("kind", [VALIDATING, MUTATING])
def test_webhooks_are_patched_by_name_and_only_those_that_differ(kind):
    document = labelled(
        webhooks=[
            webhook("a.shop", url="https://hook.shop.svc/"),
            webhook("b.shop", BUNDLE),
            webhook("c.shop", b64(pem_of("old"))),
        ]
    )

    assert decide(kind, document, ROOTS) == Injection(
        patch={
            "metadata": {"resourceVersion": "17"},
            "webhooks": [
                {"name": "a.shop", "clientConfig": {"caBundle": BUNDLE}},
                {"name": "c.shop", "clientConfig": {"caBundle": BUNDLE}},
            ],
        },
        kind=PatchKind.STRATEGIC,
        fields=("a.shop", "c.shop"),
    )


@pytest.mark.parametrize(
    ("kind", "document", "patch"),
    [
        (API_SERVICE, labelled(spec={"service": {"name": "x"}}), {"spec": {"caBundle": BUNDLE}}),
        (CRD, labelled(**conversion()), {"spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": BUNDLE}}}}}),
    ],
)
def test_one_field_is_patched_and_nothing_beside_it(kind, document, patch):
    decision = decide(kind, document, ROOTS)

    assert decision.patch == {"metadata": {"resourceVersion": "17"}, **patch}
    assert decision.kind is PatchKind.MERGE


@pytest.mark.parametrize(
    "present",
    [ROOTS.pem, ROOTS.pem.replace(b"\n", b"\r\n"), b"# ours\n" + ROOTS.pem, pem_of("b") + pem_of("a")],
)
def test_field_that_holds_the_roots_is_not_written(present):
    for kind, document in (
        (VALIDATING, labelled(webhooks=[webhook("a", b64(present))])),
        (API_SERVICE, labelled(spec={"service": {"name": "x"}, "caBundle": b64(present)})),
        (CRD, labelled(**conversion(b64(present)))),
    ):
        assert decide(kind, document, ROOTS) is None


@pytest.mark.parametrize(
    "garbage", ["====", b64(b"garbage"), b64(pem_of("a")[:-50]), b64(pem_of("a") * 3000), "\u00e9", 7, ["x"]]
)
def test_garbage_is_replaced_and_said_to_be(garbage):
    decision = decide(VALIDATING, labelled(webhooks=[webhook("a", garbage), webhook("b")]), ROOTS)

    assert decision.fields == ("a", "b")
    assert decision.garbage == ("a",)


@pytest.mark.parametrize("present", [b"", pem_of("leaf", ca=False), pem_of("a"), ROOTS.pem + pem_of("c")])
def test_other_certificates_are_replaced_and_are_no_garbage(present):
    decision = decide(API_SERVICE, labelled(spec={"service": {"name": "x"}, "caBundle": b64(present)}), ROOTS)

    assert decision.fields == ("spec.caBundle",)
    assert decision.garbage == ()


@pytest.mark.parametrize("label", ["false", "True", "1", "", None, 7])
def test_object_without_the_label_is_never_touched(label):
    assert decide(VALIDATING, labelled(label=label, webhooks=[webhook("a", "====")]), ROOTS) is None


def test_object_that_is_being_deleted_is_left():
    document = labelled(webhooks=[webhook("a")])
    document["metadata"]["deletionTimestamp"] = "now"

    assert decide(VALIDATING, document, ROOTS) is None


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"service": {"name": "x"}, "insecureSkipTLSVerify": True}, "InsecureSkipTLSVerify"),
        ({"group": "apps", "version": "v1"}, "NoService"),
        ({"service": None}, "NoService"),
    ],
)
def test_api_service_that_can_have_none_is_left_alone_with_a_reason(spec, reason):
    decision = decide(API_SERVICE, labelled(spec=spec), ROOTS)

    assert isinstance(decision, LeftAlone)
    assert decision.reason == reason


@pytest.mark.parametrize("names", [("a", "a"), ("a", "")])
def test_webhooks_that_cannot_be_told_apart_are_left_alone(names):
    decision = decide(VALIDATING, labelled(webhooks=[webhook(name) for name in names]), ROOTS)

    assert isinstance(decision, LeftAlone)


@pytest.mark.parametrize(
    "document",
    [
        labelled(),
        labelled(spec=None),
        labelled(spec={"conversion": {"strategy": "None"}}),
        labelled(**conversion(strategy="None")),
    ],
)
def test_crd_without_a_conversion_webhook_has_nothing_to_trust(document):
    assert decide(CRD, document, ROOTS) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "clientConfig", "caBundle", "service", "conversion", "webhook", "strategy", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(KINDS), st.sampled_from(["webhooks", "spec"]), _JSON)
def test_document_of_any_shape_is_decided_on_and_what_is_kept_of_it_is_enough(kind, field, value):
    document = labelled(**{field: value})
    kept = json.loads(json.dumps(kind.project(document)))
    kept["metadata"] |= {"name": "one", "uid": "u", "resourceVersion": "17"}

    assert decide(kind, document, ROOTS) == decide(kind, kept, ROOTS)
