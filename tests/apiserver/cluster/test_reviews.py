"""TokenReview and SubjectAccessReview: what is asked, what is remembered, and what becomes of a cluster that does not answer."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from apiserver.cluster.access import ClusterAccessReviews
from apiserver.cluster.retries import Pace
from apiserver.cluster.tokens import ClusterTokenReviews
from apiserver.errors import InternalError, ServiceUnavailable
from apiserver.identity.user import Attributes, SelectorRequirement, User
from tests.apiserver.cluster.backends import backend

BOB = User(name="bob", groups=("dev",), extra={"scope": ("a",)})
LIST = Attributes(
    verb="list",
    path="/apis/g/v1/things",
    group="g",
    version="v1",
    resource="things",
    namespace="n",
    label_requirements=(SelectorRequirement(key="a", operator="In", values=("b",)),),
)


@pytest.fixture
def workers():
    with ThreadPoolExecutor(8) as pool:
        yield pool


# Tests wait in milliseconds for what users wait for in seconds, but for answers.
PACE = Pace(first=0.001, deadline=60.0)


def allowed(_asked):
    return 201, {"status": {"allowed": True}}


def denied(_asked):
    return 201, {"status": {"allowed": False, "reason": "not today"}}


def failing(_asked):
    return 500, {"kind": "Status"}


def garbage(_asked):
    return 200, b"<html>"


def authenticated(_asked):
    user = {"username": "bob", "uid": "7", "groups": ["dev"], "extra": {"Scope": ["a"]}}
    return 201, {"status": {"authenticated": True, "user": user}}


def unauthenticated(_asked):
    return 201, {"status": {"authenticated": False, "error": "expired"}}


def access(served, workers, now, pace=PACE):
    return ClusterAccessReviews(
        served.connection(),
        allowed_seconds=10,
        denied_seconds=5,
        workers=workers,
        monotonic=lambda: now[0],
        entropy=bytes,
        pace=pace,
    )


def tokens(served, workers, now, pace=PACE):
    return ClusterTokenReviews(
        served.connection(), remembered_seconds=10, workers=workers, monotonic=lambda: now[0], entropy=bytes, pace=pace
    )


async def test_everything_that_matters_is_asked(workers):
    with backend(allowed) as served:
        assert await access(served, workers, [0.0]).review(BOB, LIST) is None

    spec = served.asked[0].body["spec"]
    assert (spec["user"], spec["groups"], spec["extra"]) == ("bob", ["dev"], {"scope": ["a"]})
    assert spec["resourceAttributes"] == {
        "namespace": "n",
        "verb": "list",
        "group": "g",
        "version": "v1",
        "resource": "things",
        "labelSelector": {"requirements": [{"key": "a", "operator": "In", "values": ["b"]}]},
    }


async def test_permissions_and_refusals_are_remembered_for_their_time(workers):
    now = [0.0]
    with backend(allowed, denied, allowed) as served:
        reviews = access(served, workers, now)
        first = [await reviews.review(BOB, LIST) for _ in range(3)]
        now[0] = 11
        second = [await reviews.review(BOB, LIST) for _ in range(3)]
        now[0] = 17
        third = await reviews.review(BOB, LIST)

    assert (first, second, third) == ([None] * 3, ["not today"] * 3, None)
    assert len(served.asked) == 3


async def test_one_question_is_asked_once_at_a_time(workers):
    with backend(allowed) as served:
        reviews = access(served, workers, [0.0])
        await asyncio.gather(*(reviews.review(BOB, LIST) for _ in range(50)))

    assert len(served.asked) == 1


async def test_very_long_question_is_not_remembered(workers):
    crowd = User(name="bob", groups=tuple(f"group-{number}" for number in range(2000)))
    with backend(allowed) as served:
        reviews = access(served, workers, [0.0])
        await reviews.review(crowd, LIST)
        await reviews.review(crowd, LIST)

    assert len(served.asked) == 2


@pytest.mark.parametrize("answer", [failing, garbage])
async def test_cluster_that_fails_is_an_error_and_no_refusal(workers, answer):
    with backend(answer) as served, pytest.raises(InternalError):
        await access(served, workers, [0.0]).review(BOB, LIST)

    assert len(served.asked) == 5


async def test_cluster_that_recovers_is_asked_again(workers):
    with backend(failing, garbage, allowed) as served:
        assert await access(served, workers, [0.0]).review(BOB, LIST) is None


async def test_cluster_that_is_silent_is_not_waited_for_for_ever(workers):
    with backend() as served:
        served.answers.append(served.silent)
        with pytest.raises(InternalError):
            await access(served, workers, [0.0], Pace(deadline=1.0)).review(BOB, LIST)
        served.release.set()


async def test_failure_is_not_remembered(workers):
    with backend(*[failing] * 5, allowed) as served:
        reviews = access(served, workers, [0.0])
        with pytest.raises(InternalError):
            await reviews.review(BOB, LIST)

        assert await reviews.review(BOB, LIST) is None


async def test_token_is_judged_once_and_kept_nowhere(workers):
    with backend(authenticated) as served:
        reviews = tokens(served, workers, [0.0])
        users = [await reviews.review("secret-token") for _ in range(3)]

    assert users[0] == User(name="bob", uid="7", groups=("dev",), extra={"scope": ("a",)})
    assert len(served.asked) == 1
    assert served.asked[0].body["spec"] == {"token": "secret-token"}
    assert not any("secret-token" in repr(key) for key in reviews._cache._known)


async def test_wrong_token_is_nobodys(workers):
    with backend(unauthenticated) as served:
        assert await tokens(served, workers, [0.0]).review("x") is None


async def test_token_of_any_length_does_not_reach_the_cluster(workers):
    with backend(authenticated) as served:
        assert await tokens(served, workers, [0.0]).review("x" * 100_000) is None

    assert served.asked == []


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"status": None},
        {"status": []},
        {"status": "allowed"},
        {"status": {}},
        {"status": {"allowed": "true"}},
        {"status": {"allowed": 1}},
        {"status": {"allowed": None}},
        {"status": {"allowed": True, "denied": "no"}},
        [],
        "allowed",
        None,
    ],
    ids=json.dumps,
)
async def test_word_on_a_permission_that_cannot_be_read_is_no_word(workers, told):
    with backend(lambda _asked: (201, told)) as served, pytest.raises(InternalError, match="try again"):
        await access(served, workers, [0.0]).review(BOB, LIST)


@pytest.mark.parametrize("code", [301, 401, 403, 404, 409, 410, 429, 500, 503])
async def test_cluster_that_refuses_to_say_has_not_said_no(workers, code):
    with backend(lambda _asked: (code, {"status": {"allowed": True, "authenticated": True}})) as served:
        with pytest.raises(InternalError):
            await access(served, workers, [0.0]).review(BOB, LIST)
        with pytest.raises(ServiceUnavailable):
            await tokens(served, workers, [0.0]).review("x")


async def test_permission_that_is_denied_as_well_is_denied(workers):
    with backend(lambda _asked: (201, {"status": {"allowed": True, "denied": True, "reason": "no"}})) as served:
        assert await access(served, workers, [0.0]).review(BOB, LIST) == "no"


async def test_what_a_review_cannot_say_is_left_out_of_the_question(workers):
    wider = replace(
        LIST,
        label_requirements=(SelectorRequirement(key="a", operator="Gt", values=("1",)),),
        field_requirements=(SelectorRequirement(key="metadata.name", operator="In", values=("x",)),),
    )
    with backend(allowed) as served:
        await access(served, workers, [0.0]).review(BOB, wider)

    asked = served.asked[0].body["spec"]["resourceAttributes"]
    assert "labelSelector" not in asked
    assert asked["fieldSelector"] == {"requirements": [{"key": "metadata.name", "operator": "In", "values": ["x"]}]}


async def test_paths_that_are_no_resources_are_asked_about_as_such(workers):
    with backend(allowed) as served:
        await access(served, workers, [0.0]).review(BOB, Attributes(verb="get", path="/metrics"))

    spec = served.asked[0].body["spec"]
    assert spec["nonResourceAttributes"] == {"path": "/metrics", "verb": "get"}
    assert "resourceAttributes" not in spec


@pytest.mark.parametrize(
    "other",
    [
        (replace(BOB, groups=("ops",)), LIST),
        (replace(BOB, uid="7"), LIST),
        (replace(BOB, extra={"scope": ("b",)}), LIST),
        (BOB, replace(LIST, namespace="m")),
        (BOB, replace(LIST, verb="watch")),
        (BOB, replace(LIST, subresource="status")),
        (BOB, replace(LIST, label_requirements=())),
    ],
)
async def test_permission_is_remembered_for_this_question_alone(workers, other):
    with backend(allowed, denied) as served:
        reviews = access(served, workers, [0.0])

        assert await reviews.review(BOB, LIST) is None
        assert await reviews.review(*other) == "not today"


async def test_token_is_judged_anew_after_its_time_whether_it_was_right_or_wrong(workers):
    now = [0.0]
    with backend(authenticated, unauthenticated, authenticated) as served:
        reviews = tokens(served, workers, now)
        found = []
        for seconds in (0.0, 9.9, 10.0, 19.9, 20.0):
            now[0] = seconds
            found.append(await reviews.review("x"))

    assert [user is not None for user in found] == [True, True, False, False, True]
    assert len(served.asked) == 3


async def test_each_token_is_judged_for_itself(workers):
    with backend(authenticated, unauthenticated) as served:
        reviews = tokens(served, workers, [0.0])

        assert await reviews.review("right") is not None
        assert await reviews.review("wrong") is None


async def test_one_token_is_asked_about_once_at_a_time(workers):
    with backend(authenticated) as served:
        reviews = tokens(served, workers, [0.0])
        await asyncio.gather(*(reviews.review("x") for _ in range(50)))

    assert len(served.asked) == 1


@pytest.mark.parametrize(
    ("told", "user"),
    [
        ({"username": "bob"}, User(name="bob")),
        ({"username": "bob", "groups": None, "extra": None}, User(name="bob")),
        ({"username": "bob", "extra": {"A/b": None}}, User(name="bob", extra={"a/b": ()})),
        ({"username": ""}, None),
        ({}, None),
    ],
)
async def test_user_of_a_token_is_read_as_go_writes_it(workers, told, user):
    with backend(lambda _asked: (201, {"status": {"authenticated": True, "user": told}})) as served:
        assert await tokens(served, workers, [0.0]).review("x") == user


@pytest.mark.parametrize("status", [{}, {"authenticated": False}, {"error": "expired", "user": {"username": "bob"}}])
async def test_token_that_is_not_said_to_be_right_is_nobodys(workers, status):
    with backend(lambda _asked: (201, {"status": status})) as served:
        assert await tokens(served, workers, [0.0]).review("x") is None


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"status": None},
        {"status": []},
        {"status": {"authenticated": "true"}},
        {"status": {"authenticated": True, "user": "bob"}},
        {"status": {"authenticated": True, "user": {"username": 7}}},
        {"status": {"authenticated": True, "user": {"username": "bob", "groups": "system:masters"}}},
        {"status": {"authenticated": True, "user": {"username": "bob", "groups": [None]}}},
        {"status": {"authenticated": True, "user": {"username": "bob", "extra": {"a": "b"}}}},
        [],
        None,
    ],
    ids=json.dumps,
)
async def test_word_on_a_token_that_cannot_be_read_is_no_word(workers, told):
    with backend(lambda _asked: (201, told)) as served, pytest.raises(ServiceUnavailable):
        await tokens(served, workers, [0.0]).review("x")


@pytest.mark.parametrize(
    ("granted", "known"), [(["here"], True), (["there", "here"], True), (["there"], False), ([], False), (None, False)]
)
async def test_token_for_another_audience_is_nobodys(workers, granted, known):
    status = {"authenticated": True, "user": {"username": "bob"}, "audiences": granted}
    with backend(lambda _asked: (201, {"status": status})) as served:
        reviews = ClusterTokenReviews(
            served.connection(),
            remembered_seconds=10,
            audiences=("here",),
            workers=workers,
            monotonic=lambda: 0.0,
            entropy=bytes,
            pace=PACE,
        )

        assert (await reviews.review("x") is not None) is known

    assert served.asked[0].body["spec"]["audiences"] == ["here"]


@pytest.mark.parametrize("answer", [failing, garbage])
async def test_token_cannot_be_judged_while_the_cluster_is_down_or_talks_nonsense(workers, answer):
    with backend(answer) as served, pytest.raises(ServiceUnavailable, match="try again") as caught:
        await tokens(served, workers, [0.0]).review("x")

    assert caught.value.retry_after == 1
    assert len(served.asked) == 5


async def test_token_cannot_be_judged_where_nobody_listens(workers):
    with backend() as gone:
        pass

    with pytest.raises(ServiceUnavailable) as caught:
        await tokens(gone, workers, [0.0]).review("x")
    with pytest.raises(InternalError):
        await access(gone, workers, [0.0]).review(BOB, LIST)

    assert "127.0.0.1" not in caught.value.message


async def test_slow_answer_is_waited_for_until_the_deadline(workers):
    with backend() as served:
        served.answers.append(served.silent)
        with pytest.raises(ServiceUnavailable):
            await tokens(served, workers, [0.0], Pace(deadline=1.0)).review("x")
        served.release.set()


async def test_no_credentials_for_the_cluster_are_an_outage_as_well(workers):
    def no_token_file(_configuration):
        raise FileNotFoundError("token")

    with backend(allowed) as served:
        connection = served.connection()
        connection._access._client.package.configuration.api_key = {"authorization": "Bearer x"}
        connection._access._client.package.configuration.refresh_api_key_hook = no_token_file
        reviews = ClusterAccessReviews(
            connection,
            allowed_seconds=10,
            denied_seconds=5,
            workers=workers,
            monotonic=lambda: 0.0,
            entropy=bytes,
            pace=PACE,
        )
        with pytest.raises(InternalError):
            await reviews.review(BOB, LIST)
