"""Who may do what: open paths, system:masters, and what the cluster says."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from apiserver.cluster.access import ClusterAccessReviews
from apiserver.cluster.retries import Pace
from apiserver.errors import Forbidden, InternalError
from apiserver.identity.authorization import Authorizer
from apiserver.identity.forbidden import forbidden
from apiserver.identity.user import Attributes, User
from tests.apiserver.cluster.backends import backend

BOB = User(name="bob", groups=("dev", "system:authenticated"))
MASTER = User(name="root", groups=("system:masters",))
LIST = Attributes(verb="list", path="/apis/g/v1/things", group="g", version="v1", resource="things")


def of(path):
    return Attributes(verb="get", path=path)


async def decision(authorizer, user, attributes):
    try:
        await authorizer.authorize(user, attributes)
    except Forbidden:
        return "forbidden"
    return "allowed"


@pytest.fixture
def asking():
    with ThreadPoolExecutor(2) as workers:

        def authorizer(served):
            reviews = ClusterAccessReviews(
                served.connection(),
                allowed_seconds=10,
                denied_seconds=10,
                workers=workers,
                monotonic=lambda: 0.0,
                entropy=bytes,
                pace=Pace(first=0.001, deadline=60.0),
            )
            return Authorizer(reviews=reviews)

        yield authorizer


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/livez/ping", "/readyz/log"])
async def test_health_is_everybodys(path):
    assert await decision(Authorizer(), User(name="system:anonymous"), of(path)) == "allowed"


@pytest.mark.parametrize(
    "path", ["/", "/health", "/healthzz", "/livezz/x", "/metrics", "/apis", "/openapi/v2", "/version", "/x/healthz"]
)
async def test_everything_else_is_not(path):
    assert await decision(Authorizer(), BOB, of(path)) == "forbidden"


async def test_other_paths_may_be_opened():
    authorizer = Authorizer(always_allow=("/metrics", "/open/*"))
    paths = ("/metrics", "/metrics/x", "/open/x/y", "/open/", "/open", "/healthz")

    assert [path for path in paths if authorizer.is_open(path)] == ["/metrics", "/open/x/y", "/open/", "/healthz"]


async def test_an_open_path_opens_no_resource_below_it():
    authorizer = Authorizer(always_allow=("/apis/*",))

    assert await decision(authorizer, BOB, LIST) == "forbidden"


async def test_standing_alone_nobody_but_masters_gets_in():
    assert await decision(Authorizer(), MASTER, LIST) == "allowed"
    assert await decision(Authorizer(), BOB, LIST) == "forbidden"
    assert await decision(Authorizer(), User(name="system:masters"), LIST) == "forbidden"
    assert await decision(Authorizer(), User(name="x", groups=("system:master", "System:Masters")), LIST) == "forbidden"


async def test_masters_and_open_paths_need_no_word_of_the_cluster(asking):
    with backend() as served:
        authorizer = asking(served)
        await authorizer.authorize(MASTER, LIST)
        await authorizer.authorize(BOB, of("/livez"))

    assert served.asked == []


async def test_the_clusters_word_counts_for_everybody_else(asking):
    answers = [({"allowed": True}), ({"allowed": False, "reason": "RBAC: no"}), {"allowed": True, "denied": True}]
    with backend(*[lambda _asked, status=status: (201, {"status": status}) for status in answers]) as served:
        authorizer = asking(served)
        decisions = [await decision(authorizer, User(name=name), LIST) for name in "abc"]

    assert decisions == ["allowed", "forbidden", "forbidden"]


async def test_no_word_of_the_cluster_is_neither_yes_nor_no(asking):
    with backend(lambda _asked: (503, {})) as served, pytest.raises(InternalError, match="try again") as caught:
        await asking(served).authorize(BOB, LIST)

    assert caught.value.retry_after == 1


@pytest.mark.parametrize(
    ("attributes", "reason", "message"),
    [
        (
            Attributes(verb="list", path="", group="", resource="configmaps", namespace="gold"),
            "",
            'configmaps is forbidden: User "bob" cannot list resource "configmaps" in API group "" in the namespace "gold"',
        ),
        (
            Attributes(verb="get", path="", group="g", resource="pods", subresource="status", name="a"),
            "why",
            'pods.g "a" is forbidden: User "bob" cannot get resource "pods/status" in API group "g" at the cluster scope: why',
        ),
        (of("/metrics"), "", 'forbidden: User "bob" cannot get path "/metrics"'),
    ],
)
def test_refusals_read_as_those_of_kube_apiserver(attributes, reason, message):
    assert forbidden(BOB, attributes, reason).message == message
