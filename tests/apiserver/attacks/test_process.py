"""The real process, killed while it writes, on a disk that is full, and told to stop under load."""

import contextlib
import resource
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3

from tests.apiserver.attacks.serving import ServingApi, serving_api
from tests.apiserver.client import REPORTS, WARDLE, ApiClient, eventually, flunder, in_background, report
from tests.threads import join

pytestmark = pytest.mark.slow

PATH = f"{REPORTS}/namespaces/processes/policyreports"
SMALL = f"{WARDLE}/namespaces/processes/flunders"
GONE = (urllib3.exceptions.HTTPError, OSError, ValueError)


def large(name: str, octets: int = 3 << 20) -> dict:
    return report(name, scope={"kind": "Pod", "name": f"{name}-" + "x" * octets})


def test_killed_while_it_writes_large_bodies_it_has_everything_that_it_acknowledged(tmp_path):
    acknowledged: dict[str, tuple[str, int]] = {}
    newest = 0
    with serving_api(tmp_path / "home") as server:
        for attempt in range(4):
            seen: list[int] = []
            workers = [
                _in_background(_write, server.client(), f"{attempt}-{worker}", acknowledged) for worker in range(4)
            ]
            watching = _in_background(_follow, server.client(), seen)
            wanted = len(acknowledged) + 4 * (attempt + 1)
            eventually(lambda wanted=wanted: len(acknowledged) >= wanted, 60)
            server.kill()
            join(*workers, watching)
            newest = max([newest, *seen, *(revision for _, revision in acknowledged.values())])

            server.start()
            api = server.client()
            revision = int(api.get(SMALL).document["metadata"]["resourceVersion"])
            assert revision >= newest
            listed = {item["metadata"]["name"] for path in (PATH, SMALL) for item in _listed(api, path)}
            assert acknowledged.keys() <= listed
            for name in listed:
                _verify_whole(api, name, acknowledged)
        assert int(api.create(SMALL, flunder("after")).document["metadata"]["resourceVersion"]) > newest
        assert acknowledged
        assert server.terminate() == 0
        assert "Traceback" not in server.log


def _in_background(function: Callable[..., None], *arguments: object) -> threading.Thread:
    return in_background(lambda: function(*arguments))


def _write(api: ApiClient, prefix: str, acknowledged: dict[str, tuple[str, int]]) -> None:
    with contextlib.suppress(*GONE):
        for number in range(1000):
            for path, document in (
                (PATH, large(f"l{prefix}-{number}")),
                (SMALL, flunder(f"s{prefix}-{number}")),
            ):
                answer = api.create(path, document)
                if answer.status == 201:
                    metadata = answer.document["metadata"]
                    acknowledged[metadata["name"]] = (metadata["uid"], int(metadata["resourceVersion"]))


def _follow(api: ApiClient, seen: list[int]) -> None:
    with contextlib.suppress(StopIteration, *GONE), api.watch(SMALL, resourceVersion=0) as watch:
        while True:
            seen.append(int(watch.next()["object"]["metadata"]["resourceVersion"]))


def _listed(api: ApiClient, path: str) -> list[dict]:
    partial = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
    return api.get(path, headers=partial).document["items"]


def _verify_whole(api: ApiClient, name: str, acknowledged: dict[str, tuple[str, int]]) -> None:
    answer = api.get(f"{PATH if name.startswith('l') else SMALL}/{name}")
    assert answer.status == 200
    metadata = answer.document["metadata"]
    if name in acknowledged:
        assert (metadata["uid"], int(metadata["resourceVersion"])) == acknowledged[name]
    if name.startswith("l"):
        assert answer.document["scope"] == large(name)["scope"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", place]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_on_a_full_disk_writes_are_refused_with_advice_reads_go_on_and_it_passes(small_disk):
    with serving_api(small_disk / "home") as server:
        api = server.client()
        api.create(PATH, report("before"))
        ballast = small_disk / "ballast"
        _fill(ballast)

        refused = _create_until_refused(api)

        _verify_refusal(refused)
        assert api.get(f"{PATH}/before").status == 200
        assert api.get(PATH).status == 200
        ballast.unlink()
        eventually(lambda: api.create(SMALL, flunder("after")).status in {201, 409})
        _verify_life(server, api)


def test_a_limit_of_file_sizes_refuses_writes_until_it_is_lifted(tmp_path):
    with serving_api(tmp_path / "home") as server:
        api = server.client()
        api.create(PATH, report("before"))
        pid = server.process.pid
        largest = max(path.stat().st_size for path in server.data_directory.glob("apiserver.db*"))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

        refused = _create_until_refused(api)

        _verify_refusal(refused)
        assert api.get(f"{PATH}/before").status == 200
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        eventually(lambda: api.create(SMALL, flunder("after")).status in {201, 409})
        _verify_life(server, api)


def _create_until_refused(api: ApiClient):
    for number in range(3000):
        answer = api.create(PATH, large(f"tight-{number}", 60_000))
        if answer.status != 201:
            return answer
    pytest.fail("the disk never filled")


def _verify_refusal(refused) -> None:
    assert refused.status in {503, 507}, refused.octets
    assert refused.document["kind"] == "Status"
    assert "disk" in refused.message
    assert "Traceback" not in refused.message
    assert refused.headers["Retry-After"] == "1"
    assert refused.document["details"]["retryAfterSeconds"] == 1


def _verify_life(server: ServingApi, api: ApiClient) -> None:
    with api.watch(SMALL, resourceVersion=0) as watch:
        assert watch.next()["object"]["metadata"]["name"] == "after"
    names = {item["metadata"]["name"] for item in _listed(api, PATH)}
    for name in names:
        assert api.get(f"{PATH}/{name}").status == 200
    assert server.terminate() == 0


def test_told_to_stop_under_load_it_ends_watches_finishes_what_is_under_way_and_goes(tmp_path):
    with serving_api(tmp_path / "home") as server:
        api = server.client()
        created: set[str] = set()
        watches = [api.watch(SMALL, resourceVersion=0) for _ in range(12)]
        stop = threading.Event()

        def load(worker: int, client: ApiClient) -> None:
            with contextlib.suppress(*GONE):
                for number in range(10_000):
                    if stop.is_set():
                        return
                    if client.create(SMALL, flunder(f"{worker}-{number}")).status == 201:
                        created.add(f"{worker}-{number}")

        workers = [_in_background(load, worker, server.client()) for worker in range(6)]
        eventually(lambda: len(created) > 50)

        code = server.terminate()  # which is waited for for less long than a watch lasts

        assert code == 0
        stop.set()
        join(*workers)
        for watch in watches:
            with contextlib.suppress(*GONE):
                watch.rest()
        assert "Traceback" not in server.log
        server.start()
        names = {item["metadata"]["name"] for item in _listed(server.client(), SMALL)}
        assert created <= names


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
