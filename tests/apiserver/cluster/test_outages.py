"""A whole server in front of a cluster that is slow, talks nonsense or is down: who waits, who does not, and what they are told."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from tests.apiserver.client import WARDLE, eventually, flunder, in_background
from tests.apiserver.cluster.backends import backend
from tests.apiserver.server import running_api_server
from tests.threads import join

FLUNDERS = f"{WARDLE}/namespaces/here/flunders"
AILMENTS = ("slow", "nonsense", "half", "broken", "refusing", "absent")
LONGEST_SECONDS = 40  # a review is waited for for ten


class Cluster:
    """As many ailments as there are names of users and tokens; whoever is named otherwise is well."""

    def __init__(self):
        self.reviews = []
        self.silent = None

    def answer(self, asked):
        if asked.path.startswith("/api/v1/namespaces/kube-system/configmaps"):
            return self.silent(asked) if "watch=true" in asked.path else (200, self.listed())
        if asked.path.startswith("/api/v1/namespaces"):
            return self.namespaces(asked)
        spec = asked.body["spec"]
        self.reviews.append(spec)
        who = spec.get("token") or spec["user"]
        return self.ill(asked, who) or self.well(spec, who)

    @staticmethod
    def listed(*items):
        return {"metadata": {"resourceVersion": "1"}, "items": list(items)}

    def namespaces(self, asked):
        if "watch=true" in asked.path:
            return self.silent(asked)
        match asked.path.rpartition("/")[2].partition("?")[0]:
            case "namespaces":
                going = {"metadata": {"name": "going"}, "status": {"phase": "Terminating"}}
                return 200, self.listed({"metadata": {"name": "here"}, "status": {"phase": "Active"}}, going)
            case "young":
                return 200, {"metadata": {"name": "young"}, "status": {"phase": "Active"}}
            case "unsure":
                return 500, {"kind": "Status"}
        return 404, {"kind": "Status"}

    def ill(self, asked, who):
        match who:
            case "slow":
                return self.silent(asked)
            case "nonsense":
                return 200, b"<html>sign in</html>"
            case "half":
                return 200, b'{"status": {"allowed": true, "authenticated": tr'
            case "broken":
                return 500, {"kind": "Status", "message": "etcdserver: leader changed"}
            case "refusing":
                return 403, {"kind": "Status", "message": "system:auth-delegator is missing"}
            case "absent":
                return 404, {"kind": "Status"}
        return None

    @staticmethod
    def well(spec, who):
        if "token" in spec:
            user = {"username": who, "groups": ["readers"]}
            return 201, {"status": {"authenticated": who != "stolen", "user": user}}
        return 201, {"status": {"allowed": "readers" in spec["groups"], "reason": "by the book"}}


@pytest.fixture(scope="module")
def cluster():
    return Cluster()


@contextlib.contextmanager
def server_before(cluster, directory, **settings):
    with backend(cluster.answer) as served:
        cluster.silent = served.silent
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": served.cluster}],
            "users": [{"name": "u", "user": {"token": "ours"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = directory / "kubeconfig"
        path.write_text(yaml.safe_dump(kubeconfig))
        settings = {"authorization_skip_lookup": False, "kubeconfig": path, **settings}
        with running_api_server(directory / "data", **settings) as server:
            yield server
            served.release.set()


@pytest.fixture(scope="module")
def server(cluster, tmp_path_factory):
    with server_before(cluster, tmp_path_factory.mktemp("outages")) as server:
        yield server


def bearer(server, token):
    return server.client_with(None, headers={"Authorization": f"Bearer {token}"})


def timed(ask):
    begun = time.monotonic()
    answer = ask()
    return answer, time.monotonic() - begun


@pytest.mark.slow
def test_outages_are_told_with_advice_let_nobody_in_and_hold_up_nobody_else(server):
    reader, master = server.client("reader", "readers"), server.client()
    with ThreadPoolExecutor(20) as callers:
        by_token = {ill: callers.submit(timed, lambda ill=ill: bearer(server, ill).get(FLUNDERS)) for ill in AILMENTS}
        by_right = {
            ill: callers.submit(timed, lambda ill=ill: server.client(ill, "readers").get(FLUNDERS)) for ill in AILMENTS
        }
        others = []
        while not all(future.done() for future in (*by_token.values(), *by_right.values())):
            others.append(timed(lambda: reader.get(FLUNDERS)))
            others.append(timed(lambda: master.get(FLUNDERS)))
            others.append(timed(lambda: bearer(server, "reader").get(FLUNDERS)))
            others.append(timed(lambda: server.client_with(None).get("/livez")))
            time.sleep(0.05)

    for future in by_token.values():
        answer, seconds = future.result()
        assert (answer.status, answer.reason, answer.headers["Retry-After"]) == (503, "ServiceUnavailable", "1")
        assert answer.message == "the cluster cannot say whose this token is; try again"
        assert seconds < LONGEST_SECONDS
    for future in by_right.values():
        answer, seconds = future.result()
        assert (answer.status, answer.reason, answer.headers["Retry-After"]) == (500, "InternalError", "1")
        assert answer.message == "Internal error occurred: the cluster cannot say whether this is allowed; try again"
        assert seconds < LONGEST_SECONDS
    assert {answer.status for answer, _ in others} == {200}
    assert max(seconds for _, seconds in others) < 9, "somebody waited for the review of another"


@pytest.mark.slow
def test_requests_that_wait_for_the_cluster_take_their_place_and_the_next_is_told_to_come_back(tmp_path):
    cluster = Cluster()
    with server_before(cluster, tmp_path, max_requests_inflight=1, max_mutating_requests_inflight=1) as server:
        slow, reader, master = server.client("slow", "readers"), server.client("reader", "readers"), server.client()
        waiting = [
            in_background(lambda: slow.get(FLUNDERS)),
            in_background(lambda: slow.create(FLUNDERS, flunder("a"))),
        ]
        eventually(lambda: len(cluster.reviews) == 2)
        reads, writes = [], []
        eventually(lambda: reads.append(reader.get(FLUNDERS)) or reads[-1].status == 429)
        eventually(lambda: writes.append(reader.create(FLUNDERS, flunder("b"))) or writes[-1].status == 429)

        for answer in (reads[-1], writes[-1]):
            assert (answer.reason, answer.headers["Retry-After"]) == ("TooManyRequests", "1")
            assert answer.message == "too many requests, please try again later"
            assert answer.document["details"]["retryAfterSeconds"] == 1
        assert master.get(FLUNDERS).status == 200
        with reader.watch(FLUNDERS, timeoutSeconds=1) as watch:
            assert watch.status == 200
        assert server.client_with(None).get("/livez").status == server.client("probe").get("/readyz").status == 200
        join(*waiting)
        assert reader.get(FLUNDERS).status == 200


@pytest.mark.slow
def test_kind_whose_requests_wait_leaves_room_for_other_kinds(tmp_path):
    cluster = Cluster()
    with server_before(cluster, tmp_path, kind_max_requests_inflight=("flunders.wardle.example.com=1",)) as server:
        slow, reader, master = server.client("slow", "readers"), server.client("reader", "readers"), server.client()
        waiting = in_background(lambda: slow.get(FLUNDERS))
        eventually(lambda: cluster.reviews)
        answers = []
        eventually(lambda: answers.append(reader.get(FLUNDERS)) or answers[-1].status == 429)
        written = reader.create(FLUNDERS, flunder("b"))

        assert (answers[-1].reason, answers[-1].headers["Retry-After"]) == ("TooManyRequests", "1")
        assert written.status == 429
        assert reader.get(f"{WARDLE}/fischers").status == 200
        assert master.get(FLUNDERS).status == 200
        join(waiting)
        assert reader.get(FLUNDERS).status == 200


def test_those_who_are_known_get_what_the_cluster_says(server):
    assert bearer(server, "bob").get(FLUNDERS).status == 200
    assert bearer(server, "stolen").get(FLUNDERS).status == 401
    assert bearer(server, "stolen").get("/livez").status == 401
    refused = server.client("eve", "writers").get(FLUNDERS)
    assert (refused.status, refused.reason) == (403, "Forbidden")
    assert refused.message.endswith('in the namespace "here": by the book')


@pytest.mark.slow
def test_a_cluster_that_cannot_say_writes_nothing(server):
    ill = server.client("broken", "readers")

    assert ill.create(FLUNDERS, flunder("a")).status == 500
    assert server.client().get(f"{FLUNDERS}/a").status == 404


def test_objects_are_made_in_namespaces_that_are_there_alone(server):
    master = server.client()

    def create(namespace, **options):
        return master.create(f"{WARDLE}/namespaces/{namespace}/flunders", flunder("a"), **options)

    missing, going, unsure = create("missing"), create("going"), create("unsure")

    assert create("young", dryRun="All").status == 201
    assert (missing.status, missing.reason, missing.message) == (404, "NotFound", 'namespaces "missing" not found')
    assert (going.status, going.reason) == (403, "Forbidden")
    assert [(cause["reason"], cause["field"]) for cause in going.causes] == [
        ("NamespaceTerminating", "metadata.namespace")
    ]
    assert (unsure.status, unsure.reason, unsure.headers["Retry-After"]) == (503, "ServiceUnavailable", "1")


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        (
            {"fieldSelector": "metadata.name=a"},
            {
                "name": "a",
                "fieldSelector": {"requirements": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]},
            },
        ),
        (
            {"labelSelector": "l=1,n>1", "fieldSelector": "spec.reference=x"},
            {
                "labelSelector": {"requirements": [{"key": "l", "operator": "In", "values": ["1"]}]},
                "fieldSelector": {"requirements": [{"key": "spec.reference", "operator": "In", "values": ["x"]}]},
            },
        ),
        (
            {"labelSelector": "((", "fieldSelector": "metadata.namespace!=b"},
            {"fieldSelector": {"requirements": [{"key": "metadata.namespace", "operator": "NotIn", "values": ["b"]}]}},
        ),
    ],
    ids=",".join,
)
def test_selectors_are_part_of_the_question(server, cluster, query, asked):
    cluster.reviews.clear()
    server.client("selecting", "readers").get(FLUNDERS, **query)

    attributes = cluster.reviews[-1]["resourceAttributes"]
    told = {name: attributes[name] for name in ("name", "labelSelector", "fieldSelector") if name in attributes}
    assert told == asked


def test_impersonation_is_asked_for_before_what_is_done_as_somebody(server, cluster):
    cluster.reviews.clear()
    answer = server.client("chief", "readers").get(
        FLUNDERS, headers={"Impersonate-User": "worker", "Impersonate-Group": "readers"}
    )

    asked = [(spec["user"], spec["resourceAttributes"]) for spec in cluster.reviews]
    questions = [(user, attributes["verb"], attributes.get("name")) for user, attributes in asked]
    assert answer.status == 200
    assert questions == [
        ("chief", "impersonate", "worker"),
        ("chief", "impersonate", "readers"),
        ("worker", "list", None),
    ]


def test_who_may_not_impersonate_does_not_become_anybody(server, cluster):
    cluster.reviews.clear()
    answer = server.client("eve", "writers").get(
        FLUNDERS, headers={"Impersonate-User": "worker", "Impersonate-Group": "readers"}
    )

    assert (answer.status, len(cluster.reviews)) == (403, 1)
