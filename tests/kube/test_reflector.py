"""A collection is like what there is in the cluster, whatever happens to the connection, the server and its history."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from kube.collections import Collection, Resource
from kube.documents import JsonObject, metadata, name_of, texts
from kube.reflector import Reflector, Timing
from tests.kube.ambient import await_until, no_entropy
from tests.kube.api_server import Asked, FakeCluster, Fault, Handler, status

MAPS = Resource(version="v1", plural="configmaps")
BUNDLES = Resource(group="certificates.k8s.io", version="v1beta1", plural="clustertrustbundles", namespaced=False)
QUICK = Timing(watch=(60, 60), grace=1, relist=(60, 60), look_again=0.05, backoff=(0.02, 0.1), shortest_watch=0.01)
SHORT = Timing(watch=(1, 1), grace=0.2, relist=(60, 60), look_again=0.05, backoff=(0.02, 0.1), shortest_watch=0.01)
Start = Callable[..., tuple[Reflector, Collection]]


def place(name: str) -> str:
    return f"/api/v1/namespaces/shop/configmaps/{name}"


def names(collection: Collection) -> set[str]:
    return {name_of(one) for one in collection.all()}


def is_list(asked: Asked) -> bool:
    return asked.method == "GET" and not asked.is_watch and asked.path.endswith("configmaps")


def is_watch(asked: Asked) -> bool:
    return asked.is_watch


@pytest.fixture
def start(fake: FakeCluster) -> Iterator[Start]:
    with ExitStack() as stack:
        cluster = fake.open()
        stack.callback(cluster.close)

        def begin(resource: Resource = MAPS, *, timing: Timing = QUICK, **more: Any) -> tuple[Reflector, Collection]:
            collection = Collection()
            reflector = Reflector(
                cluster, resource, collection, monotonic=time.monotonic, entropy=no_entropy, timing=timing, **more
            )
            reflector.start()
            stack.callback(reflector.join, 60)
            stack.callback(reflector.stop)
            return reflector, collection

        yield begin


def test_what_was_there_and_what_comes_changes_and_goes_is_seen(fake: FakeCluster, start: Start):
    fake.put(place("a"), data={"x": "1"})
    _, collection = start()
    await_until(collection.synced.is_set, "the list")
    fake.put(place("b"))
    fake.put(place("a"), data={"x": "2"})
    await_until(lambda: names(collection) == {"a", "b"}, "b is seen")
    fake.remove(place("b"))
    await_until(lambda: names(collection) == {"a"}, "b is gone")

    assert collection.get("shop", "a") == fake.objects[place("a")]


def test_list_comes_in_pages_and_items_have_their_kind(fake: FakeCluster, start: Start):
    for number in range(7):
        fake.put(place(f"m{number}"))
    _, collection = start(page=3)
    await_until(collection.synced.is_set, "the list")

    assert len(collection.all()) == 7
    assert {(one["apiVersion"], one["kind"]) for one in collection.all()} == {("v1", "ConfigMap")}
    assert len([one for one in fake.asked if is_list(one)]) == 3


def test_page_that_is_too_old_has_everything_listed_at_once(fake: FakeCluster, start: Start):
    for number in range(7):
        fake.put(place(f"m{number}"))
    fake.faults = [
        Fault(
            fits=lambda asked: "continue" in asked.query, act=lambda handler: handler.refuse(410, "Expired", "too old")
        )
    ]
    _, collection = start(page=3)
    await_until(collection.synced.is_set, "the list")

    assert len(collection.all()) == 7


def test_objects_that_somebody_made_huge_keep_no_other_from_being_seen(fake: FakeCluster, start: Start):
    """etcd takes 1.5 MiB; the API server writes six octets for each `<` of it."""
    fake.put(place("a"))
    for number in range(3):
        fake.put(place(f"huge-{number}"), data={"x": "x" * (9 << 20)})
    fake.put(place("z"))
    _, collection = start(projection=lambda _: {})
    await_until(collection.synced.is_set, "the list")
    fake.put(place("huge-0"), data={"x": "y" * (9 << 20)})
    fake.put(place("after"))
    await_until(lambda: collection.get("shop", "after"), "what comes after a huge event")

    assert names(collection) == {"a", "z", "after", *(f"huge-{number}" for number in range(3))}


def test_pages_that_go_round_in_circles_end(fake: FakeCluster, start: Start):
    def loop(handler: Handler) -> None:
        handler.answer(200, {"metadata": {"resourceVersion": "1", "continue": "again"}, "items": []})

    fake.put(place("a"))
    fake.faults = [Fault(fits=is_list, act=loop, times=2)]
    _, collection = start()
    await_until(collection.synced.is_set, "the list, in the end")

    assert names(collection) == {"a"}


def test_only_what_the_projection_keeps_is_kept(fake: FakeCluster, start: Start):
    def labels(one: JsonObject) -> JsonObject:
        return {"metadata": {"labels": texts(one, "metadata", "labels")}}

    fake.put(place("a"), data={"big": "x" * 1000}, metadata={"labels": {"app": "cart"}, "managedFields": ["long"]})
    _, collection = start(projection=labels)
    await_until(collection.synced.is_set, "the list")
    fake.put(place("b"), data={"big": "x" * 1000})
    await_until(lambda: names(collection) == {"a", "b"}, "b is seen")
    kept = collection.get("shop", "a")

    assert set(kept) == {"apiVersion", "kind", "metadata"}
    assert set(metadata(kept)) == {"labels", "name", "namespace", "uid", "resourceVersion"}
    assert all("data" not in one for one in collection.all())


def test_object_on_which_the_projection_fails_keeps_no_other_from_being_seen(fake: FakeCluster, start: Start):
    def picky(one: JsonObject) -> JsonObject:
        return {"data": one["data"]}

    fake.put(place("odd"))
    fake.put(place("good"), data={"a": "1"})
    _, collection = start(projection=picky)
    await_until(collection.synced.is_set, "the list")

    assert collection.get("shop", "good")["data"] == {"a": "1"}
    assert "data" not in collection.get("shop", "odd")


@pytest.mark.parametrize("how", ["status 410", "ERROR event 410"])
def test_version_that_is_gone_has_everything_listed_anew(fake: FakeCluster, start: Start, how: str):
    def too_old(handler: Handler) -> None:
        if how == "status 410":
            handler.refuse(410, "Expired", "too old resource version")
        else:
            handler.answer(200, {"type": "ERROR", "object": status(410, "Expired", "too old resource version")})

    fake.put(place("a"))
    fake.faults = [Fault(fits=is_watch, act=too_old)]
    _, collection = start()
    await_until(lambda: len(fake.requests("GET", "/api/v1/configmaps")) >= 4, "the second watch")
    fake.put(place("b"))
    await_until(lambda: names(collection) == {"a", "b"}, "b is seen")

    assert len([one for one in fake.asked if is_list(one)]) == 2


@pytest.mark.parametrize(
    "octets",
    [
        b'5\r\n{"typ',
        b"zz\r\n",
        b"9\r\nno json!\n\r\n",
        b"3\r\n[]\n\r\n",
        b'1c\r\n{"type":"ADDED","object":1}\n\r\n',
        b'1d\r\n{"type":"ADDED","object":{}}\n\r\n',
    ],
)
def test_watch_that_breaks_off_or_makes_no_sense_is_begun_again(fake: FakeCluster, start: Start, octets: bytes):
    def break_off(handler: Handler) -> None:
        handler.begin_stream()
        handler.wfile.write(octets)
        handler.wfile.flush()
        handler.connection.close()
        handler.close_connection = True

    fake.put(place("a"))
    fake.faults = [Fault(fits=is_watch, act=break_off, times=3)]
    _, collection = start()
    await_until(lambda: not fake.faults, "all faults")
    fake.put(place("b"))
    await_until(lambda: names(collection) == {"a", "b"}, "b is seen")


def test_watch_that_goes_silent_without_an_end_is_noticed(fake: FakeCluster, start: Start):
    """A connection of which the other side is gone: nothing comes, and nobody closes it."""

    def half_open(handler: Handler) -> None:
        handler.begin_stream()
        handler.say_nothing()

    fake.put(place("a"))
    fake.faults = [Fault(fits=is_watch, act=half_open)]
    _, collection = start(timing=SHORT)
    await_until(lambda: not fake.faults, "the watch")
    fake.put(place("b"))
    await_until(lambda: names(collection) == {"a", "b"}, "b is seen")


def test_cluster_that_went_back_in_time_is_listed_anew(fake: FakeCluster, start: Start):
    """As after an etcd restore: a watch from a version of the future says nothing, for ever."""
    fake.put(place("a"))
    before = dict(fake.objects), fake.version
    for number in range(5):
        fake.put(place(f"lost{number}"))
    _, collection = start()
    await_until(lambda: len(names(collection)) == 6 and bool(fake.watchers), "all, and a watch")
    fake.restore(before[1], before[0])

    await_until(lambda: names(collection) == {"a"}, "what was restored")
    fake.put(place("b"))
    await_until(lambda: names(collection) == {"a", "b"}, "b is seen")


def test_restore_that_is_past_our_version_already_is_seen_at_the_next_full_list(fake: FakeCluster, start: Start):
    fake.put(place("a"))
    timing = Timing(watch=(1, 1), grace=1, relist=(0.5, 0.5), backoff=(0.02, 0.1), shortest_watch=0.01)
    _, collection = start(timing=timing)
    await_until(collection.synced.is_set, "the list")
    fake.restore(fake.version + 10, {})

    await_until(lambda: names(collection) == set(), "a is gone")


def test_busy_server_is_not_asked_before_it_wants_to_be(fake: FakeCluster, start: Start):
    fake.faults = [
        Fault(fits=is_list, act=lambda handler: handler.refuse(429, "TooManyRequests", "busy", Retry_After="1"))
    ]
    began = time.monotonic()
    _, collection = start()
    await_until(collection.synced.is_set, "the list")

    assert time.monotonic() - began >= 1


def test_token_that_is_replaced_is_read(fake: FakeCluster, start: Start):
    fake.token = "newer"
    fake.kubeconfig.write_text(fake.kubeconfig.read_text().replace("token: good", "token: newer"))
    fake.put(place("a"))
    _, collection = start()
    await_until(collection.synced.is_set, "the list")

    assert names(collection) == {"a"}


def test_server_that_ends_each_watch_at_once_is_not_asked_in_a_hot_loop(fake: FakeCluster, start: Start):
    def end(handler: Handler) -> None:
        handler.begin_stream()
        handler.chunk(b"")

    fake.faults = [Fault(fits=is_watch, act=end, times=1000)]
    timing = Timing(watch=(60, 60), backoff=(0.1, 0.1), shortest_watch=1)
    began = time.monotonic()
    start(timing=timing)
    await_until(lambda: len(fake.requests("GET")) > 5, "some watches")

    watches = len([one for one in fake.asked if one.is_watch])
    assert watches <= 1 + (time.monotonic() - began) / 0.1


def test_kind_that_is_not_served_is_looked_for_until_it_is(fake: FakeCluster, start: Start):
    _, collection = start(BUNDLES)
    await_until(collection.synced.is_set, "the finding that there is none")
    assert not collection.is_served
    fake.kinds["certificates.k8s.io/v1beta1/clustertrustbundles"] = "ClusterTrustBundle"
    fake.put("/apis/certificates.k8s.io/v1beta1/clustertrustbundles/ours")
    await_until(lambda: names(collection) == {"ours"}, "the bundle")
    assert collection.is_served

    del fake.kinds["certificates.k8s.io/v1beta1/clustertrustbundles"]
    fake.hang_up()
    await_until(lambda: not collection.is_served, "the end of the kind")
    assert collection.all() == ()


def nothing_there(handler: Handler) -> None:
    handler.refuse(404, "NotFound", "the server could not find the requested resource")


@pytest.mark.parametrize(
    ("path", "act"),
    [
        ("/api/v1", nothing_there),
        ("/api/v1", lambda handler: handler.answer(200, {})),
        ("/api/v1", lambda handler: handler.answer(200, {"kind": "APIResourceList", "resources": None})),
        ("/api/v1/configmaps", nothing_there),
        (
            "/api/v1/configmaps",
            lambda handler: handler.answer(200, {"metadata": {"resourceVersion": "9"}, "items": []}),
        ),
        ("/api/v1/configmaps", lambda handler: handler.answer(200, {"kind": "Status", "status": "Success"})),
    ],
    ids=["no group", "garbage", "no kinds", "no list", "list of nothing", "status"],
)
def test_kind_that_was_there_is_not_gone_by_what_is_said_in_passing(
    fake: FakeCluster, start: Start, path: str, act: Any
):
    fake.put(place("a"))
    reflector, collection = start(timing=replace(QUICK, look_again=60.0))
    await_until(collection.synced.is_set, "the list")
    seen: list[set[str]] = []
    reflector.subscribe(lambda _changed: seen.append(names(collection)))
    fake.faults = [Fault(fits=lambda asked: asked.path == path and not asked.is_watch, act=act, times=5)]

    assert reflector.await_list(reflector.relist(), 60)
    assert fake.faults == []
    assert (collection.is_served, names(collection), set() in seen) == (True, {"a"}, False)


def test_list_that_is_asked_for_is_made_though_a_watch_is_open(fake: FakeCluster, start: Start):
    reflector, _ = start()
    await_until(lambda: any(one.is_watch for one in fake.asked), "the watch")
    before = len([one for one in fake.asked if is_list(one)])
    wanted = reflector.relist()

    assert reflector.await_list(wanted, 60)
    assert len([one for one in fake.asked if is_list(one)]) == before + 1


def test_list_that_is_asked_for_is_not_there_before_it_was_made(fake: FakeCluster, start: Start):
    fake.faults = [Fault(fits=lambda asked: not asked.is_watch, act=lambda h: h.refuse(503, "", "away"), times=10_000)]
    reflector, _ = start()
    wanted = reflector.relist()

    assert not reflector.await_list(wanted, 0.2)
    fake.faults.clear()
    assert reflector.await_list(wanted, 60)


def test_stop_does_not_wait_for_the_end_of_a_watch(fake: FakeCluster, start: Start):
    reflector, _ = start()
    await_until(lambda: fake.watchers, "the watch")
    began = time.monotonic()
    reflector.stop()
    reflector.join(60)

    assert time.monotonic() - began < 30, "half of what a watch lasts"


def test_subscribers_are_told_what_was_and_what_is(fake: FakeCluster):
    told: list[list[str]] = []
    cluster = fake.open()
    collection = Collection()
    reflector = Reflector(cluster, MAPS, collection, monotonic=time.monotonic, entropy=no_entropy, timing=QUICK)
    reflector.subscribe(lambda changed: told.append([one.get("data", {}).get("v", "") for one in changed]))
    fake.put(place("a"), data={"v": "1"})
    reflector.start()
    await_until(lambda: fake.watchers, "the watch")
    fake.put(place("a"), data={"v": "2"})
    await_until(lambda: len(told) == 2, "the change")
    fake.remove(place("a"))
    await_until(lambda: len(told) == 3, "the end")
    reflector.stop()
    reflector.join(60)
    cluster.close()

    assert told == [["1"], ["1", "2"], ["2", "2"]]


def test_silence_is_counted_from_the_last_word(fake: FakeCluster):
    seconds = itertools.count(0, 100)
    cluster = fake.open()
    reflector = Reflector(cluster, MAPS, Collection(), monotonic=lambda: float(next(seconds)), entropy=no_entropy)
    cluster.close()

    assert reflector.silent_seconds == 100
