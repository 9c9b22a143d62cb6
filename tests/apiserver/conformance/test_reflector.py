"""What a client does that keeps a copy of everything (client-go tools/cache.Reflector), whatever becomes of its connection."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from tests.apiserver.client import ApiClient, eventually
from tests.apiserver.conformance.pods import Pods, pod, revision, seen
from tests.apiserver.server import running_api_server

KINDS = [str(Path(__file__).with_name("pods.yaml"))]
WATCH_LIST = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}


@dataclass(slots=True)
class Reflection:
    """`store` is name to revision; `version` where to go on from. Every event is verified against what is known."""

    api: ApiClient
    path: str
    store: dict[str, int] = field(default_factory=dict)
    version: int = 0

    def replace(self, **query) -> int:
        """Lists in pages of 500. Returns the status of the first answer."""
        items, more = [], {}
        while True:
            answer = self.api.get(self.path, limit=500, **query, **more)
            if answer.status != 200:
                return answer.status
            document = answer.document
            items += document["items"]
            if "continue" not in document["metadata"]:
                break
            more, query = {"continue": document["metadata"]["continue"]}, {}
        self.store = {item["metadata"]["name"]: revision(item) for item in items}
        assert len(self.store) == len(items)
        self.version = revision(document)
        return 200

    def watch_list(self) -> None:
        with self.api.watch(self.path, **WATCH_LIST) as watch:
            events, bookmark = watch.until_bookmark()
        self.store = {event["object"]["metadata"]["name"]: revision(event["object"]) for event in events}
        self.version = revision(bookmark["object"])

    def take(self, event) -> None:
        version = revision(event["object"])
        kind, name = ("BOOKMARK", "") if event["type"] == "BOOKMARK" else seen(event)
        assert version > self.version or (kind == "BOOKMARK" and version == self.version)
        self.version = version
        if kind == "BOOKMARK":
            return
        assert (name in self.store) is (kind != "ADDED")
        if kind == "DELETED":
            del self.store[name]
        else:
            self.store[name] = version

    def follow(self, seconds: int = 1):
        """One watch of this length from where it is. Returns the Status of an error, if it ends with one."""
        with self.api.watch(
            self.path, resourceVersion=self.version, allowWatchBookmarks="true", timeoutSeconds=seconds
        ) as watch:
            assert watch.status == 200
            for event in watch.rest():
                if event["type"] == "ERROR":
                    return event["object"]
                self.take(event)
        return None

    def catch_up(self, seconds: int = 1, version: int = 0) -> None:
        """Watches of this length, one after another, until it holds what there is, of this version at least."""
        truth = self.truth()
        eventually(lambda: self.follow(seconds) is None and self.store == truth and self.version >= version)

    def truth(self) -> dict[str, int]:
        return {item["metadata"]["name"]: revision(item) for item in self.api.get(self.path).document["items"]}


@pytest.fixture(params=["list and watch", "WatchList"])
def reflection(request, pods):
    for name in "abc":
        pods.create(name)
    found = Reflection(pods.api, pods.path)
    if request.param == "WatchList":
        found.watch_list()
    else:
        assert found.replace(resourceVersion="0") == 200
    return found


def test_reflector_sees_every_change_once_over_many_short_watches(reflection, pods):
    for number in range(4):
        pods.create(f"n{number}")
        pods.label("a", n=str(number))
        pods.delete(f"n{number}" if number % 2 else {0: "b", 2: "c"}[number])
        reflection.catch_up()

    assert reflection.store == reflection.truth()


def test_reflector_resumes_after_its_connection_broke(reflection, pods):
    with pods.watch(resourceVersion=reflection.version) as watch:
        pods.create("seen")
        reflection.take(watch.next())
        pods.create("not-seen")
        pods.delete("seen")
    reflection.catch_up()

    assert reflection.store == reflection.truth()


def test_reflector_resumes_from_a_bookmark(reflection, pods):
    """Nothing of its own has happened, much of others': the bookmark moves it ahead."""
    before = reflection.version
    for number in range(20):
        pods.beside("other").create(f"n{number}")
    reflection.catch_up(seconds=4, version=before + 20)
    pods.create("d")
    reflection.catch_up()

    assert reflection.store == reflection.truth()


@pytest.mark.slow
def test_reflector_whose_version_has_expired_lists_anew(tmp_path):
    with running_api_server(tmp_path / "data", kinds=KINDS, history_retention="75s") as server:
        pods = Pods(api=server.client(), namespace="expired")
        pods.create("a")
        reflection = Reflection(pods.api, pods.path)
        reflection.replace(resourceVersion="0")
        pods.create("b")
        pods.delete("a")

        def expired():
            server.clock.advance(timedelta(minutes=10))
            status = Reflection(pods.api, pods.path, {"a": 0}, reflection.version).follow()
            return status is not None and (status["code"], status["reason"]) == (410, "Expired")

        eventually(expired, 60)
        assert reflection.replace() == 200
        reflection.catch_up()

        assert reflection.store == reflection.truth()
        assert set(reflection.store) == {"b"}


def test_reflector_goes_on_after_the_server_was_restarted(tmp_path):
    with running_api_server(tmp_path / "data", kinds=KINDS) as server:
        pods = Pods(api=server.client(), namespace="restarted")
        pods.create("a")
        reflection = Reflection(pods.api, pods.path)
        reflection.watch_list()
        watch = pods.watch(resourceVersion=reflection.version)
        pods.create("b")
        reflection.take(watch.next())
        pods.delete("a")
        last = pods.create("c")
    watch.close()
    with running_api_server(tmp_path / "data", kinds=KINDS) as server:
        again = Reflection(server.client(), pods.path, reflection.store, reflection.version)
        again.catch_up()
        assert again.store == again.truth()
        assert again.version >= last
        assert Pods(api=again.api, namespace="restarted").create("d") > last


@pytest.mark.slow
def test_reflector_reads_ten_thousand_objects_in_pages_of_five_hundred(pods):
    def create(number):
        return pods.api.create(pods.path, pod(f"p{number:05}")).status

    with ThreadPoolExecutor(16) as writers:
        assert set(writers.map(create, range(10_000))) == {201}
    listed, watched = Reflection(pods.api, pods.path), Reflection(pods.api, pods.path)

    listed.replace()
    watched.watch_list()

    assert len(listed.store) == 10_000
    assert watched.store == listed.store
