"""Prometheus and promtool: in the directory that CHANCERY_TEST_PROMETHEUS names, on the path, or where scripts/fetch_prometheus.sh
puts them."""

import contextlib
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers.ports import free_port

VARIABLE = "CHANCERY_TEST_PROMETHEUS"
_SECONDS = 60


def find(program: str) -> str:
    """Skips where there is none."""
    places = [str(programs_directory(os.environ)), os.environ.get("PATH", os.defpath)]
    found = shutil.which(program, path=os.pathsep.join(places))
    if found is None:
        pytest.skip(f"no {program}: run scripts/fetch_prometheus.sh")
    return found


def programs_directory(environment: Mapping[str, str]) -> Path:
    home = Path(environment.get("HOME") or "/nonexistent")
    cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    return Path(environment.get(VARIABLE) or cache / "chancery" / "prometheus")


def promtool(*arguments: str | Path, directory: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [find("promtool"), *map(str, arguments)],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    url: str

    def query(self, expression: str, *, at: float | None = None) -> Sequence[Mapping[str, Any]]:
        """Series and values, at this instant or `at` seconds since 1970. Fails the test where Prometheus refuses the expression."""
        when = {} if at is None else {"time": str(at)}
        return self._get("query", {"query": expression, **when})["data"]["result"]

    def query_range(self, expression: str, began: float, ended: float, *, step: float) -> Sequence[Mapping[str, Any]]:
        """Series with their values every `step` seconds."""
        asked = {"query": expression, "start": str(began), "end": str(ended), "step": str(step)}
        return self._get("query_range", asked)["data"]["result"]

    def alerts(self) -> Sequence[Mapping[str, Any]]:
        """What the rules say, one by one, with `health` and `lastError`."""
        return [rule for group in self._get("rules", {})["data"]["groups"] for rule in group["rules"]]

    def _get(self, what: str, parameters: Mapping[str, str]) -> Any:
        address = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address, timeout=_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as err:
            with err:
                pytest.fail(f"{parameters}: {err.read().decode()}")

    def await_series(self, expression: str, *, seconds: float = 120) -> Sequence[Mapping[str, Any]]:
        deadline = time.monotonic() + seconds
        while not (found := self.query(expression)):
            assert time.monotonic() < deadline, f"no series in time: {expression}"
            time.sleep(0.2)
        return found


@contextlib.contextmanager
def prometheus(directory: Path, configuration: Mapping[str, Any]) -> Iterator[Prometheus]:
    """Runs one that keeps what it scrapes in `directory`."""
    program, port = find("prometheus"), free_port()
    (directory / "prometheus.yml").write_text(yaml.safe_dump(dict(configuration)))
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'series'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _await_ready(process, url, directory / "log")
        yield Prometheus(url=url)
    finally:
        process.kill()
        process.wait(_SECONDS)


def _await_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/-/ready", timeout=5):
            return
        time.sleep(0.1)
    pytest.fail(f"Prometheus does not begin: {log.read_text()[-2000:]}")
