"""What a person at a terminal sees and is asked; the terminal is a real one (pty)."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.program import SETTLED, Program

_PATIENCE = 60.0
_PROGRAM = """\
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test that runs in the background inherits it ignored
from cli.main import main
main()
"""


class Terminal:
    """The far end of a terminal at which a command sits."""

    def __init__(self, descriptor: int, process: "subprocess.Popen[bytes]") -> None:
        self._descriptor = descriptor
        self._process = process
        self.seen = ""

    def read_until(self, text: str) -> str:
        """Reads until `text` is on the screen; fails the test where it never is."""
        deadline = time.monotonic() + _PATIENCE
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            assert self._read(), self.seen
        return self.seen

    def write(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def interrupt(self) -> None:
        """As often as it takes: one that comes just before the program waits for input is seen only after the input."""
        deadline = time.monotonic() + _PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE / 5)

    def end(self) -> int:
        """Reads what is left and returns the status."""
        while self._read():
            pass
        return self._process.wait(_PATIENCE)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], _PATIENCE)
        try:
            content = os.read(self._descriptor, 65536) if ready else b""
        except OSError:  # EIO: the last holder of the other end is gone
            content = b""
        self.seen += content.decode("utf-8", "replace")
        return bool(content)


@contextmanager
def terminal(program: Program, *arguments: str) -> Iterator[Terminal]:
    near, far = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *arguments],
        cwd=program.directory,
        env={
            **os.environ,
            **SETTLED,
            **program.environment,
            "PYTHONPATH": str(Path.cwd()),
            "TERM": "xterm",
            "COLUMNS": "160",
        },
        stdin=far,
        stdout=far,
        stderr=far,
        start_new_session=True,
    )
    os.close(far)
    try:
        yield Terminal(near, process)
    finally:
        process.kill()
        process.wait()
        os.close(near)


def test_list_is_a_table_with_colours(cli: Program) -> None:
    cli.succeed("sign", "--dns", "web.example.com")

    with terminal(cli, "list", "--limit", "1") as screen:
        status = screen.end()

    assert status == 0
    assert "─" in screen.seen
    assert "\x1b[" in screen.seen


def test_revoking_asks_and_takes_no_for_an_answer(cli: Program) -> None:
    certificate_id = cli.succeed("sign", "--dns", "asked.example.com", "-o", "name").strip()

    with terminal(cli, "revoke", certificate_id) as screen:
        asked = screen.read_until("Revoke for good? [y/N]")
        screen.write("n\n")
        status = screen.end()

    assert "asked.example.com" in asked
    assert status == 7
    assert "valid" in cli.succeed("list", "--name", "asked.example.com", "--limit", "1")


def test_passphrase_is_asked_twice_and_not_shown(cli: Program) -> None:
    with terminal(cli, "p12", str(cli.home / "identity"), "--out", "me.p12") as screen:
        screen.read_until("PKCS#12 passphrase: ")
        screen.write("correct horse\n")
        screen.read_until("Repeat for confirmation: ")
        screen.write("correct horse\n")
        status = screen.end()

    assert status == 0
    assert "correct horse" not in screen.seen
    assert (cli.directory / "me.p12").exists()


def test_long_work_shows_how_far_it_is(cli: Program) -> None:
    with terminal(cli, "sign", "--count", "40", "--dns", "many.example.com", "--out", "many") as screen:
        status = screen.end()

    assert status == 0
    assert "signing" in screen.seen
    assert "/40" in screen.seen


def test_interrupt_is_told_in_one_line(cli: Program) -> None:
    with terminal(cli, "revoke", cli.succeed("list", "--limit", "1", "-o", "name").strip()) as screen:
        screen.read_until("[y/N]")
        screen.interrupt()
        status = screen.end()

    assert status == 130
    assert "Traceback" not in screen.seen
