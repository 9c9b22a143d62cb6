"""Limits of request bodies that the operator sets: in place of manifests', checked before anything is served."""

from collections.abc import Iterator

import pytest

from apiserver.errors import ApiSettingsInvalid
from apiserver.kinds.body_limits import LARGEST_BODY, MAXIMUM_BODY, BodyLimits, parse_octets
from apiserver.settings import ApiServerSettings
from tests.apiserver.kinds.manifests import load, manifest
from tests.apiserver.server import RunningApiServer, running_api_server

MEBIBYTE = 1 << 20


def limits(**settings: object) -> BodyLimits:
    return ApiServerSettings.from_mapping(settings).body_limits


@pytest.mark.parametrize(
    ("text", "octets"), [("1", 1), ("400000", 400000), ("20Mi", 20 * MEBIBYTE), ("1Gi", LARGEST_BODY)]
)
def test_quantities_are_octets(text, octets):
    assert parse_octets(text) == octets


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5Mi", "20M", "20 Mi", "2Gi", "99999999999", "٣Mi"])
def test_other_quantities_are_refused(text):
    with pytest.raises(ValueError, match="must be a quantity up to 1Gi"):
        parse_octets(text)


def test_default_is_of_kinds_whose_manifest_says_none(tmp_path):
    plain, said = manifest(), manifest()
    said["metadata"]["annotations"] = {MAXIMUM_BODY: "20Mi"}

    for document, expected in ((plain, 400000), (said, 20 * MEBIBYTE)):
        (kind,) = limits(max_body="400000").applied(load(tmp_path, document))
        assert kind.maximum_octets == expected


def test_limit_of_a_kind_counts_whatever_its_manifest_says(tmp_path):
    document = manifest()
    document["metadata"]["annotations"] = {MAXIMUM_BODY: "20Mi"}
    (kind,) = limits(kind_max_body=("things.example.com = 1Mi",)).applied(load(tmp_path, document))

    assert kind.maximum_octets == MEBIBYTE


def test_without_settings_manifests_are_believed(tmp_path):
    kinds = load(tmp_path, manifest())

    assert limits().applied(kinds) == kinds


def test_kind_that_is_not_served_is_refused_with_those_that_are(tmp_path):
    said = limits(kind_max_body=("thing.example.com=1Mi",))

    with pytest.raises(ApiSettingsInvalid, match=r"'thing.example.com' is not served; there are things.example.com"):
        said.applied(load(tmp_path, manifest()))


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"max_body": "3M"}, "max_body: must be a quantity up to 1Gi"),
        ({"max_body": "2Gi"}, "max_body: must be a quantity up to 1Gi"),
        ({"kind_max_body": ("things.example.com",)}, "kind_max_body: 'things.example.com': must be a quantity"),
        (
            {"kind_max_body": ("things.example.com=much",)},
            "kind_max_body: 'things.example.com=much': must be a quantity",
        ),
        (
            {"kind_max_body": ("things.example.com=1Mi", "things.example.com=2Mi")},
            "kind_max_body: things.example.com is named twice",
        ),
        (
            {"kind_max_body": ("things.example.com=500Mi",)},
            "kind_max_body: 'things.example.com=500Mi': one caller never gets more than 201326592 octets",
        ),
        (
            {"max_body": "13Mi", "max_body_octets_inflight": 16 * MEBIBYTE},
            "max_body: one caller never gets more than 12582912 octets of max_body_octets_inflight; raise that first",
        ),
    ],
)
def test_limits_that_do_not_hold_stop_the_start(settings, fault):
    with pytest.raises(ApiSettingsInvalid) as refusal:
        ApiServerSettings.from_mapping(settings)

    assert [one for one in refusal.value.faults if one.startswith(fault)]


def test_a_small_budget_of_bodies_may_stand_alone():
    assert limits(max_body_octets_inflight=MEBIBYTE).default == 3 * MEBIBYTE


# Requests under way, by kind


def test_bounds_of_kinds_are_numbers_by_resource():
    said = ("policyreports.wgpolicyk8s.io=20", "flunders.wardle.example.com = 1")
    settings = ApiServerSettings.from_mapping({"kind_max_requests_inflight": said})

    assert settings.request_limits == {"policyreports.wgpolicyk8s.io": 20, "flunders.wardle.example.com": 1}


@pytest.mark.parametrize(
    "entry", ["a.example.com", "a.example.com=0", "a.example.com=-1", "a.example.com=401", "a.example.com=٣"]
)
def test_bounds_that_do_not_hold_stop_the_start(entry):
    with pytest.raises(ApiSettingsInvalid, match="must be a number from 1 to 400, the bound for all kinds together"):
        ApiServerSettings.from_mapping({"kind_max_requests_inflight": (entry,)})


def test_bound_of_a_kind_that_is_not_served_stops_the_start(tmp_path):
    said = {"kind_max_requests_inflight": ("reports.example.com=1",)}

    with (
        pytest.raises(ApiSettingsInvalid, match=r"inflight: 'reports.example.com' is not served"),
        running_api_server(tmp_path, **said),
    ):
        pytest.fail("it started")


# As requests meet them

FLUNDERS = "/apis/wardle.example.com/v1alpha1/namespaces/default/flunders"
REPORTS = "/apis/wgpolicyk8s.io/v1alpha2/namespaces/default/policyreports"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[RunningApiServer]:
    said = {"max_body": "100Ki", "kind_max_body": ("policyreports.wgpolicyk8s.io=200Ki",)}
    with running_api_server(tmp_path_factory.mktemp("limited"), **said) as running:
        yield running


def report(octets: int) -> dict:
    return {
        "apiVersion": "wgpolicyk8s.io/v1alpha2",
        "kind": "PolicyReport",
        "metadata": {"generateName": "r-"},
        "results": [{"policy": "p", "message": "x" * octets}],
    }


def flunder(octets: int) -> dict:
    return {
        "apiVersion": "wardle.example.com/v1alpha1",
        "kind": "Flunder",
        "metadata": {"generateName": "f-"},
        "spec": {"reference": "x" * octets},
    }


@pytest.mark.parametrize(
    ("path", "document", "limit"),
    [(FLUNDERS, flunder, 100 << 10), (REPORTS, report, 200 << 10)],
    ids=["default", "named"],
)
def test_bodies_up_to_the_limit_are_taken_and_larger_ones_get_a_status(server, path, document, limit):
    client = server.client("development", "system:masters")

    taken, refused = client.create(path, document(limit - 1024)), client.create(path, document(limit))

    assert taken.status == 201
    assert (refused.status, refused.reason) == (413, "RequestEntityTooLarge")
    assert refused.message == f"Request entity too large: limit is {limit}"


def test_the_same_report_under_another_group_has_the_limit_of_that_kind(server):
    """Its manifest says 20 MiB."""
    document = {**report(1 << 20), "apiVersion": "openreports.io/v1alpha1", "kind": "Report"}
    answer = server.client("development", "system:masters").create(
        "/apis/openreports.io/v1alpha1/namespaces/default/reports", document
    )

    assert answer.status == 201, answer.message
