"""Kubeconfigs as people have them: several files, other contexts, none, broken ones; each with a line that says what to do."""

import io
import os
import sys
from pathlib import Path

import pytest

from cli.kubectl.errand import sink_for
from cli.kubectl.main import PROGRAM, make_plugin
from cli.main import run
from tests.cli.kubectl.documents import kubeconfig


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = run(arguments, program=PROGRAM, tree=make_plugin)
    captured = capsys.readouterr()
    assert captured.out == ""
    return status, captured.err


def test_without_a_kubeconfig_it_says_where_it_looked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, errors = told(capsys, "list")

    assert status == 3
    assert f"there is no kubeconfig at {home}/.kube/config" in errors
    assert "hint: name one with --kubeconfig or KUBECONFIG" in errors


@pytest.mark.parametrize("others", ["", ":/nowhere/either"])
def test_variable_that_names_no_file_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], others: str
) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{home}/gone{others}")
    status, errors = told(capsys, "list")

    assert status == 3
    assert f"there is no kubeconfig at {home}/gone" in errors


def test_without_a_current_context_it_asks_for_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = kubeconfig(home / "config", **{"current-context": None})

    status, errors = told(capsys, "list", "--kubeconfig", str(path))
    chosen, others = told(capsys, "list", "--kubeconfig", str(path), "--context", "one")

    assert status == 6
    assert f"kubeconfig {path} names no current context" in errors
    assert "hint: name one with --context" in errors
    assert chosen == 5
    assert "does not answer" in others


def test_context_that_is_not_there_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, errors = told(capsys, "list", "--kubeconfig", str(kubeconfig(home / "config")), "--context", "two")

    assert status == 6
    assert "two" in errors


@pytest.mark.parametrize(
    "broken",
    [
        {"clusters": [{"name": "one", "cluster": {"server": "http://127.0.0.1:1"}}]},
        {"clusters": [{"name": "one", "cluster": {"server": "https://127.0.0.1:1", "insecure-skip-tls-verify": True}}]},
        {"clusters": []},
        {"contexts": [{"name": "one"}]},
        {"clusters": [{"name": "one", "cluster": {"server": "https://127.0.0.1:1", "certificate-authority": "gone"}}]},
        {"users": [{"name": "one", "user": {"client-certificate": "gone", "client-key": "gone"}}]},
    ],
    ids=["plain", "unverified", "no-cluster", "no-context", "no-ca-file", "no-client-files"],
)
def test_kubeconfig_that_will_not_do_is_refused_in_a_line(
    home: Path, capsys: pytest.CaptureFixture[str], broken: dict[str, object]
) -> None:
    status, errors = told(capsys, "list", "--kubeconfig", str(kubeconfig(home / "config", **broken)))

    assert status == 6, errors
    assert errors.count("error:") == 1


def test_kubeconfig_that_is_no_yaml_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "config"
    path.write_text("{[")

    status, errors = told(capsys, "list", "--kubeconfig", str(path))

    assert status == 6
    assert errors.startswith(f"kubectl chancery: error: kubeconfig {path}: ")


def test_credentials_plugin_that_fails_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plugin = {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/false", "interactiveMode": "Never"}
    }
    path = kubeconfig(home / "config", users=[{"name": "one", "user": plugin}])

    status, _ = told(capsys, "list", "--kubeconfig", str(path))

    assert status in {5, 6}


def test_of_several_kubeconfigs_the_first_current_context_counts(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {"clusters": [{"name": "two", "cluster": {"server": "https://127.0.0.1:2"}}]}
    kubeconfig(home / "first", **{"current-context": None})
    kubeconfig(home / "second")
    kubeconfig(home / "third", **{"current-context": "two", **other})
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(str(home / name) for name in ("none", "first", "second", "third")))

    status, errors = told(capsys, "list", "--namespace", "chancery")

    assert status == 5
    assert "127.0.0.1" in errors
    assert "port=1" in errors or ":1" in errors


@pytest.mark.parametrize("namespace", ["../x", "a/b", "a?b", "%2e"])
def test_namespace_that_can_be_none_is_a_mistake_of_the_command_line(
    home: Path, capsys: pytest.CaptureFixture[str], namespace: str
) -> None:
    path = kubeconfig(home / "config")

    assert told(capsys, "list", "--kubeconfig", str(path), "--namespace", namespace)[0] == 2


def test_mistakes_need_no_cluster(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["inspect", "/etc/passwd"],
        ["inspect", "localhost:8112"],
        ["list", "--limit", "x"],
        ["rotate", "leaf"],
    ):
        status, errors = told(capsys, *words)

        assert status == 2, errors
        assert f"hint: see: kubectl chancery {words[0]} --help" in errors


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def test_an_emergency_is_asked_about_here_as_the_pod_has_nobody_to_ask(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused here, it reaches no cluster."""
    screen = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO(b"n\n")))
    monkeypatch.setattr(sys, "stderr", Terminal(screen, write_through=True))
    path = kubeconfig(home / "config")

    status = run(["rotate", "issuer", "--emergency", "--kubeconfig", str(path)], program=PROGRAM, tree=make_plugin)

    assert status != 0
    assert "takes the old one out of trust at once" in screen.getvalue().decode()
    assert "nothing was begun" in screen.getvalue().decode()


def test_on_a_terminal_control_characters_of_the_pod_are_shown_and_not_obeyed() -> None:
    buffer = io.BytesIO()
    stream = Terminal(buffer, encoding="utf-8")
    sink = sink_for(stream)

    for piece in (b"\x1b[2J\xc3", b"\xa9 a\tb\n", b"\xff\r\n"):
        sink(piece)

    assert buffer.getvalue().decode() == "\\x1b[2Jé a\tb\n�\\r\n"


def test_in_a_pipe_octets_pass_as_they_are() -> None:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding="utf-8")

    sink_for(stream)(b"\x00\xff\x1b\n")

    assert buffer.getvalue() == b"\x00\xff\x1b\n"
