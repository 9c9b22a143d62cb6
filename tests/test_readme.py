"""The README cannot lie: its sessions are run, and what they print is compared with what it shows.

- Identifiers, instants, ports and paths differ from run to run; they are masked on both sides.
- A block that no test here knows how to run fails `test_every_block_is_run`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.ports import free_ports

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SESSIONS = [text for language, text in BLOCKS if language == "console"]
LONGEST_README = 200

pytestmark = pytest.mark.xdist_group("readme")  # one process runs the session for all tests here

MASKS = (
    (r"/\S*?/\.quickstart", "<home>"),
    (r"\b[0-9a-f]{64}\b", "<sha256>"),
    (r"\b[0-9a-f]{32}\b", "<id>"),
    (r"(Chancery (?:Root|Issuing) CA) [0-9a-f]{8}", r"\1 <tag>"),
    (r"\d{4}-\d\d-\d\d(?:T| )\d\d:\d\d(?::\d\d)?Z?", "<instant>"),
    (r"\(in [^)]*\)", "(in <span>)"),
    (r"\b(?:\d+[dhms])+\b", "<span>"),
    (r"(127\.0\.0\.1|localhost):\d+", r"\1:<port>"),
    (r"chancery1\.\S+", "<token>"),
    (r" = ", "="),  # OpenSSL before 3.2 writes names with blanks
    (r"[─-╿]{2,}|-{4,}", "<rule>"),
    (r"[ \t]+", " "),
)


def masked(text: str) -> list[str]:
    for pattern, replacement in MASKS:
        text = re.sub(pattern, replacement, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def session(first_command: str) -> str:
    (found,) = [text for text in SESSIONS if text.startswith(f"$ {first_command}")]
    return found.removeprefix(f"$ {first_command}\n")


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


def test_readme_is_short():
    assert len(README.splitlines()) <= LONGEST_README


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    directory = tmp_path_factory.mktemp("readme") / ".quickstart"
    names = (
        "CHANCERY_GRPC_PORT",
        "CHANCERY_HTTP_PORT",
        "CHANCERY_ENROLLMENT_PORT",
        "CHANCERY_APISERVER_SECURE_PORT",
    )
    ports = dict(zip(names, map(str, free_ports(len(names))), strict=True))
    return directory, run("scripts/quickstart.sh", QUICKSTART_DIRECTORY=str(directory), **ports)


@pytest.mark.slow
def test_quickstart_prints_what_the_readme_shows(quickstart):
    _, result = quickstart

    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    assert masked(result.stdout) == masked(session("make quickstart"))


@pytest.mark.slow
def test_quickstart_leaves_nothing_running(quickstart):
    directory, _ = quickstart

    # A server would hold the data directory's lock.
    again = run("ca-cli", "passphrase", "change", CHANCERY_HOME=str(directory))

    assert again.returncode == 0, again.stderr


def test_installation_is_what_the_image_does():
    """Half a minute of pip is not spent here: tests/test_container.py and tests/test_wheel.py install for real."""
    (block,) = [text for language, text in BLOCKS if language == "sh"]
    recipe = (ROOT / "Dockerfile").read_text()

    assert "--require-hashes -r requirements.lock" in block
    assert "--require-hashes -r requirements.lock" in recipe


def test_test_command_ends_as_the_readme_shows():
    closing = session("make test").strip().splitlines()[-1]

    assert re.fullmatch(r"=+ \d+ passed(?:, \d+ skipped)? in [\d.]+s(?: \([\d:]+\))? =+", closing)


def test_commands_are_those_of_the_help():
    shown = session("ca-cli --help")
    help_text = run("ca-cli", "--help").stdout

    assert shown.strip() in help_text


def test_every_block_is_run():
    known = {"make quickstart", "make test", "ca-cli --help"}

    assert {text.splitlines()[0].removeprefix("$ ") for text in SESSIONS} <= known
    assert {language for language, _ in BLOCKS} <= {"console", "mermaid", "sh"}


def test_make_targets_of_the_readme_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"(?:`|\$ )make ([a-z]+)\b", README)) <= targets
