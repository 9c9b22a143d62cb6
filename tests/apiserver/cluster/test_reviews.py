"""TokenReview and SubjectAccessReview: what is asked, what is remembered, and what becomes of a cluster that does not answer."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from apiserver.cluster.access import ClusterAccessReviews
from apiserver.cluster.retries import Pace
from apiserver.cluster.tokens import ClusterTokenReviews
from apiserver.errors import ClusterUnreachable, InternalError
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


# Tests wait in milliseconds for what users wait for in seconds.
PACE = Pace(first=0.001, deadline=1.0)


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


def access(served, workers, now):
    return ClusterAccessReviews(
        served.connection(),
        allowed_seconds=10,
        denied_seconds=5,
        workers=workers,
        monotonic=lambda: now[0],
        entropy=bytes,
        pace=PACE,
    )


def tokens(served, workers, now):
    return ClusterTokenReviews(
        served.connection(), remembered_seconds=10, workers=workers, monotonic=lambda: now[0], entropy=bytes, pace=PACE
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
            await access(served, workers, [0.0]).review(BOB, LIST)
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


async def test_token_cannot_be_judged_while_the_cluster_is_down(workers):
    with backend(failing) as served, pytest.raises(ClusterUnreachable):
        await tokens(served, workers, [0.0]).review("x")
