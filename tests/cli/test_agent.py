"""`ca-cli agent` as a process: from the token to the reload, with little memory, and the probes that a kubelet runs."""

import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.agent.pods import Pod, pod_of
from tests.ca.offices import total_of
from tests.ca.server import running_server
from tests.cli.program import COMMAND, Program

MEBIBYTE = 1024
MOST_MEMORY = 40 * MEBIBYTE
"""Kibibytes that the agent may hold, beside every pod of a cluster."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("ca") / "data") as server:
        yield server


@pytest.fixture
def pod(server, tmp_path) -> Pod:
    return pod_of(server, tmp_path)


@pytest.fixture
def program(tmp_path) -> Program:
    (tmp_path / "work").mkdir()
    return Program(home=tmp_path / "home", directory=tmp_path / "work", variables={})


def arguments(pod: Pod, url: str, *more: str) -> list[str]:
    return [
        "agent",
        *("--server", url, "--token-file", str(pod.token_file)),
        *("--bootstrap", str(pod.bootstrap), "--directory", str(pod.directory)),
        *more,
    ]


def wait_for(condition, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.02)


@pytest.fixture
def started(program) -> Iterator:
    processes: list[subprocess.Popen[str]] = []

    def start(line: list[str]) -> "subprocess.Popen[str]":
        processes.append(program.start(*line))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_agent_holds_little_memory_and_stops_when_told(server, pod, program, started):
    process = started(arguments(pod, server.url, "--formats", "pem,bundle,pkcs12,jks"))
    wait_for(lambda: program("agent", "ready", "--directory", pod.directory).status == 0)
    wait_for(lambda: program("agent", "live", "--directory", pod.directory).status == 0)
    time.sleep(1)
    peak = int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())[1])
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 0, errors
    assert "renewed, until" in errors
    assert peak < MOST_MEMORY, f"{peak / MEBIBYTE:.1f} MiB"


@pytest.mark.slow
def test_agent_that_is_killed_at_any_moment_leaves_a_pair_or_nothing_and_gets_one_certificate(
    server, pod, program, started
):
    before, moments = total_of(server.office), random.Random(7)
    for _ in range(12):
        process = started(arguments(pod, server.url))
        time.sleep(moments.uniform(0.1, 0.5))
        process.kill()
        process.communicate()
        if (pod.directory / "..data").exists():
            assert pod.held.leaf
    program.succeed(*arguments(pod, server.url, "--once"))

    assert pod.held.leaf
    assert total_of(server.office) == before + 1


def test_nothing_that_is_not_needed_is_imported(server, pod):
    timed = [sys.executable, "-X", "importtime", *COMMAND[1:], *arguments(pod, server.url, "--once")]
    done = subprocess.run(timed, capture_output=True, text=True, timeout=60, check=True, cwd=Path(__file__).parents[2])

    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "cryptography" in loaded
    heavy = {"grpc", "google.protobuf", "aiohttp", "sqlalchemy", "yaml", "rich", "structlog", "asyncio"}
    assert loaded.isdisjoint(heavy), loaded & heavy


def test_probes_tell_an_agent_that_never_ran(program, tmp_path):
    ready = program("agent", "ready", "--directory", tmp_path / "none")
    live = program("agent", "live", CHANCERY_AGENT_DIRECTORY=str(tmp_path / "none"))

    assert (ready.status, live.status) == (4, 1)
    assert "is the agent running" in live.errors


def test_probe_tells_a_certificate_that_has_ended(pod, program, monkeypatch):
    pod.run()
    monkeypatch.setattr("cli.ambient.clock", lambda: pod.held.not_after + timedelta(days=366))

    assert program("agent", "ready", "--directory", pod.directory).status == 1


def test_once_ends_with_a_certificate_or_with_a_status(server, pod, program):
    away = program(*arguments(pod, "https://localhost:1", "--once", "--patience", "1s"))
    there = program(*arguments(pod, server.url, "--once"))
    away_again = program(*arguments(pod, "https://localhost:1", "--once", "--patience", "1s"))

    assert (away.status, there.status, away_again.status) == (5, 0, 0), (away, there, away_again)
    assert "cannot reach localhost:1" in away.errors


@pytest.mark.parametrize(
    "more",
    [
        ("--key-mode", "0666"),
        ("--key-mode", "rw"),
        ("--formats", "der"),
        ("--key-type", "dsa"),
        ("--reload", "signal:HUP"),
        ("--reload", "signal:BOO:1"),
        ("--reload", "signal:HUP:container=Web/1"),
        ("--reload", "http://10.0.0.1/"),
        ("--reload", "exec:"),
        ("--server", "http://localhost"),
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(pod, program, more):
    outcome = program(*arguments(pod, "https://localhost:1"), "--once", "--patience", "0s", *more)

    assert outcome.status == 2, outcome
    assert not pod.directory.exists()


def test_authority_must_be_named(program):
    outcome = program("agent")

    assert (outcome.status, "CHANCERY_AGENT_SERVER" in outcome.errors) == (2, True)
