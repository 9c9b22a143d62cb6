"""Options of requests: kube-apiserver's rules, in its words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.errors import ApiError, BadRequest, Invalid, UnexpectedValue
from apiserver.requests.options import FieldValidation, ListOptions, ResourceVersionMatch, WriteOptions


def test_nothing_said_is_a_consistent_list():
    options = ListOptions.from_query({}, watch=False)

    assert (options.revision, options.match, options.limit) == (None, ResourceVersionMatch.UNSET, 0)


def test_everything_said_is_read():
    options = ListOptions.from_query(
        {
            "labelSelector": "a=b",
            "fieldSelector": "metadata.name=x",
            "resourceVersion": "12",
            "resourceVersionMatch": "NotOlderThan",
            "timeoutSeconds": "30",
            "allowWatchBookmarks": "true",
            "sendInitialEvents": "true",
        },
        watch=True,
    )

    assert (options.revision, options.match) == (12, ResourceVersionMatch.NOT_OLDER_THAN)
    assert (options.timeout, options.allow_bookmarks, options.send_initial_events) == (30, True, True)


@pytest.mark.parametrize(
    ("query", "watch", "text"),
    [
        (
            {"resourceVersionMatch": "Exact"},
            False,
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (
            {"resourceVersion": "0", "resourceVersionMatch": "Exact"},
            False,
            'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        ),
        (
            {"resourceVersion": "1", "resourceVersionMatch": "Sometimes"},
            False,
            'resourceVersionMatch: Unsupported value: "Sometimes": supported values: "Exact", "NotOlderThan", ""',
        ),
        (
            {"continue": "x", "resourceVersionMatch": "Exact", "resourceVersion": "1"},
            False,
            "resourceVersionMatch is forbidden when continue is provided",
        ),
        ({"sendInitialEvents": "true"}, False, "sendInitialEvents is forbidden for list"),
        (
            {"sendInitialEvents": "true"},
            True,
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        (
            {"resourceVersionMatch": "NotOlderThan", "resourceVersion": "1"},
            True,
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
        ({"continue": "x"}, True, "resourceVersionMatch is forbidden when continue is provided"),
    ],
)
def test_contradictory_options_are_invalid(query, watch, text):
    with pytest.raises(Invalid) as caught:
        ListOptions.from_query(query, watch=watch)

    assert text in caught.value.message
    assert (caught.value.subject.group, caught.value.subject.kind) == ("meta.k8s.io", "ListOptions")


@pytest.mark.parametrize("text", ["abc", "-1", "01", "1.5", "1e3", "9" * 30, " 1"])
def test_what_is_no_resource_version_is_refused(text):
    with pytest.raises(BadRequest):
        ListOptions.from_query({"resourceVersion": text}, watch=False)
    with pytest.raises(UnexpectedValue):
        ListOptions.from_query({"resourceVersion": text}, watch=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abc", 'strconv.ParseInt: parsing "abc": invalid syntax'),
        ("9" * 30, f'strconv.ParseInt: parsing "{"9" * 30}": value out of range'),
    ],
)
def test_limit_that_is_no_number_is_refused_as_go_refuses_it(text, message):
    with pytest.raises(BadRequest) as caught:
        ListOptions.from_query({"limit": text}, watch=False)

    assert caught.value.message == message


def test_write_options_have_kube_apiservers_defaults():
    options = WriteOptions.from_query({}, [], name="CreateOptions")

    assert (options.dry_run, options.field_validation, options.force) == (False, FieldValidation.WARN, None)


def test_unknown_dry_run_and_validation_are_listed_together():
    with pytest.raises(Invalid) as caught:
        WriteOptions.from_query({"fieldValidation": "Maybe"}, ["foo"], name="CreateOptions")

    assert [cause.field for cause in caught.value.causes] == ["dryRun", "fieldValidation"]
    assert {cause.reason for cause in caught.value.causes} == {"FieldValueNotSupported"}


@pytest.mark.parametrize("manager", ["x" * 129, "a\nb", "\x00"])
def test_field_manager_is_short_and_printable(manager):
    with pytest.raises(Invalid):
        WriteOptions.from_query({"fieldManager": manager}, [], name="PatchOptions")


def test_apply_needs_a_manager_and_others_no_force():
    with pytest.raises(Invalid, match="fieldManager: Required value: is required for apply patch"):
        WriteOptions.from_query({}, [], name="PatchOptions").verify_apply()
    with pytest.raises(Invalid, match="force: Forbidden: may not be specified for non-apply patch"):
        WriteOptions.from_query({"force": "true"}, [], name="PatchOptions").verify_no_force()


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "limit",
                "continue",
                "resourceVersion",
                "resourceVersionMatch",
                "sendInitialEvents",
                "timeoutSeconds",
                "watch",
            ]
        ),
        st.text(max_size=12) | st.integers().map(str),
    ),
    st.booleans(),
)
def test_any_query_is_read_or_refused(query, watch):
    try:
        options = ListOptions.from_query(query, watch=watch)
    except ApiError:
        return

    assert options.limit >= 0
