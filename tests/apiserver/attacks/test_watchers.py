"""Watchers that never read, storms under watch, and races that only one may win."""

import contextlib
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from tests.apiserver.attacks.sockets import connect
from tests.apiserver.client import REPORTS, WARDLE, eventually, flunder, in_background, report
from tests.threads import join


def collection(namespace: str) -> str:
    return f"{WARDLE}/namespaces/{namespace}/flunders"


@pytest.mark.slow
def test_watchers_that_never_read_are_cut_off_and_cost_little(server, api, namespace):
    path = f"{REPORTS}/namespaces/{namespace}/policyreports"
    large = "x" * 500_000
    watches = _open_watches(api)
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            deaf = stack.enter_context(contextlib.closing(connect(server)))
            deaf.send(f"GET {path}?watch=true HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert deaf.socket.recv(12) == b"HTTP/1.1 200"
        listening = stack.enter_context(
            api.watch(path, resourceVersion=api.get(path).document["metadata"]["resourceVersion"])
        )
        seen: list[str] = []
        in_background(lambda: seen.extend(listening.next()["object"]["metadata"]["name"] for _ in range(120)))
        octets = _resident_octets()

        for number in range(120):
            assert api.create(path, report(f"r{number}", scope={"kind": "Pod", "name": large})).status == 201

        eventually(lambda: len(seen) == 120)
        grown = _resident_octets() - octets
        assert seen == [f"r{number}" for number in range(120)]
        eventually(lambda: _open_watches(api) <= watches + 1)
    assert grown < 600 << 20


def _resident_octets() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _open_watches(api) -> int:
    lines = api.get("/metrics").octets.decode().splitlines()
    return sum(
        int(float(line.rpartition(" ")[2]))
        for line in lines
        if line.startswith("apiserver_longrunning_requests{") and 'verb="WATCH"' in line
    )


def test_of_creates_of_one_name_exactly_one_wins(server, api, namespace):
    def create(number: int) -> int:
        return api.create(collection(namespace), flunder("one", spec={"reference": str(number)})).status

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(create, range(64)))

    assert sorted(statuses) == [201] + [409] * 63


def test_of_updates_from_one_version_exactly_one_wins(server, api, namespace):
    path = f"{collection(namespace)}/one"
    created = api.create(collection(namespace), flunder("one")).document

    def update(number: int) -> int:
        return api.put(path, {**created, "spec": {"reference": str(number)}}).status

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(update, range(64)))

    assert sorted(statuses) == [200] + [409] * 63
    assert api.get(path).document["metadata"]["generation"] == 2


def test_patches_without_a_version_all_take_effect(server, api, namespace):
    path = f"{collection(namespace)}/one"
    api.create(collection(namespace), flunder("one"))

    def label(number: int) -> int:
        return api.patch(path, {"metadata": {"labels": {f"l{number}": "x"}}}).status

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(label, range(40)))

    labels = api.get(path).document["metadata"].get("labels", {})
    assert set(statuses) <= {200, 409}
    assert len(labels) == statuses.count(200)


def test_watchers_of_a_storm_end_up_with_what_is_there(server, api, namespace):
    path = collection(namespace)
    start = api.create(path, flunder("start")).document["metadata"]["resourceVersion"]
    views: list[dict[str, str]] = [{"start": start} for _ in range(6)]
    revisions: list[list[int]] = [[] for _ in views]
    selected: dict[str, str] = {}

    def follow(view: dict[str, str], seen: list[int], **options) -> None:
        with api.watch(path, resourceVersion=start, **options) as watch:
            while "last" not in view:
                event = watch.next()
                metadata = event["object"]["metadata"]
                seen.append(int(metadata["resourceVersion"]))
                if event["type"] == "DELETED":
                    del view[metadata["name"]]
                else:
                    assert (event["type"] == "ADDED") == (metadata["name"] not in view)
                    view[metadata["name"]] = metadata["resourceVersion"]

    for view, seen in zip(views, revisions, strict=True):
        in_background(lambda view=view, seen=seen: follow(view, seen))
    in_background(lambda: follow(selected, [], labelSelector="on=yes"))

    def storm(worker: int) -> None:
        for number in range(60):
            name = f"{worker}-{number % 7}"
            if api.create(path, flunder(name)).status == 409:
                api.patch(f"{path}/{name}", {"metadata": {"labels": {"on": "yes" if number % 3 else "no"}}})
                if number % 2:
                    api.delete(f"{path}/{name}")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(storm, range(6)))
    api.create(path, flunder("last", metadata={"labels": {"on": "yes"}}))

    listed = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in api.get(path).document["items"]}
    on = {
        item["metadata"]["name"]: item["metadata"]["resourceVersion"]
        for item in api.get(path, labelSelector="on=yes").document["items"]
    }
    eventually(lambda: all(view == listed for view in views) and selected == on)
    assert all(seen == sorted(set(seen)) for seen in revisions)
    assert len({tuple(seen) for seen in revisions}) == 1


def test_a_list_that_is_paged_during_a_storm_is_one_moment(server, api, namespace):
    path = collection(namespace)
    for number in range(60):
        api.create(path, flunder(f"a{number:02}"))
    stop = threading.Event()

    def churn() -> None:
        number = 0
        while not stop.is_set():
            api.delete(f"{path}/a{number % 60:02}")
            api.create(path, flunder(f"b{number}"))
            number += 1

    churning = in_background(churn)
    time.sleep(0.05)
    first = api.get(path, limit=7).document
    whole = api.get(path, resourceVersion=first["metadata"]["resourceVersion"], resourceVersionMatch="Exact").document
    names, page = [], first
    while True:
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue")
        if not token:
            break
        page = api.get(path, limit=7, **{"continue": token}).document
    stop.set()
    join(churning)

    assert names == [item["metadata"]["name"] for item in whole["items"]]


def test_a_watch_ends_without_noise_where_its_caller_goes(server, api, namespace):
    before = _open_watches(api)
    for _ in range(50):
        watch = api.watch(collection(namespace), resourceVersion=0)
        watch.close()
    api.create(collection(namespace), flunder("a"))

    eventually(lambda: _open_watches(api) <= before)


@pytest.mark.parametrize("shift", [3600, -3600, 86_400 * 365])
def test_a_clock_that_jumps_moves_no_revision_and_ends_no_watch(server, api, namespace, shift):
    path = collection(namespace)
    first = int(api.create(path, flunder("a")).document["metadata"]["resourceVersion"])
    with api.watch(path, resourceVersion=first) as watch:
        server.clock.advance(timedelta(seconds=shift))
        second = int(api.create(path, flunder("b")).document["metadata"]["resourceVersion"])
        assert second > first
        assert watch.next()["object"]["metadata"]["name"] == "b"
    server.clock.advance(timedelta(seconds=-shift))
    assert json.loads(api.get(path).octets)["items"][1]["metadata"]["name"] == "b"
