import contextlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent.errors import CommandFailed, CommandTimedOut, ReloadFailed, RequestNotTaken, SignalNotSent
from agent.reload import CommandHook, RequestHook, SignalHook
from tests.threads import join

WAITER = (
    "import signal, sys; signal.signal(signal.SIGHUP, lambda *_: sys.exit(7)); print('up', flush=True); signal.pause()"
)


@pytest.fixture
def service():
    """A process that ends with code 7 when it is told to reload."""
    process = subprocess.Popen([sys.executable, "-c", WAITER], stdout=subprocess.PIPE)
    with process:
        process.stdout.readline()
        yield process
        process.kill()


def test_a_signal_reaches_the_process(service):
    SignalHook(pid=service.pid).run()

    assert service.wait(60) == 7


def test_the_pid_file_is_read_at_the_time(service, tmp_path):
    hook = SignalHook(pid_file=tmp_path / "pid")
    (tmp_path / "pid").write_text(f"{service.pid}\n")

    hook.run()

    assert service.wait(60) == 7


@pytest.mark.parametrize("pid", [None, -1, 0, 1, 2**22 + 1])
def test_a_group_init_or_nothing_is_never_signalled(pid):
    with pytest.raises(SignalNotSent, match="not the id"):
        SignalHook(pid=pid).run()


@pytest.mark.parametrize("content", ["", "-1", "0", "nginx", "99999999999999999999999999999999999999"])
def test_a_pid_file_with_anything_else_is_refused(tmp_path, content):
    (tmp_path / "pid").write_text(content)

    with pytest.raises(SignalNotSent):
        SignalHook(pid_file=tmp_path / "pid").run()


def test_a_missing_pid_file_or_process_is_reported(tmp_path):
    finished = subprocess.Popen([sys.executable, "-c", ""])
    finished.wait(60)

    with pytest.raises(SignalNotSent, match="pid file"):
        SignalHook(pid_file=tmp_path / "absent").run()
    with pytest.raises(SignalNotSent, match="is it running"):
        SignalHook(pid=finished.pid).run()


def test_a_command_gets_its_arguments_as_they_are(tmp_path):
    target = tmp_path / "seen; $(touch x)"

    CommandHook(
        arguments=[sys.executable, "-c", "import sys, pathlib; pathlib.Path(sys.argv[1]).touch()", str(target)]
    ).run()

    assert target.exists()


def test_a_failing_command_shows_its_code_and_last_line():
    hook = CommandHook(
        arguments=[sys.executable, "-c", "print('x' * 9000); print('no such pool'); raise SystemExit(3)"]
    )

    with pytest.raises(CommandFailed, match=r"ended with code 3; it wrote: no such pool") as caught:
        hook.run()

    assert len(caught.value.output) <= 4096


def test_a_command_that_cannot_start_is_reported():
    with pytest.raises(CommandFailed, match="full path"):
        CommandHook(arguments=["/nonexistent/reload"]).run()
    with pytest.raises(CommandFailed, match="empty"):
        CommandHook(arguments=[]).run()


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path):
    script = "sleep 60 & echo $!; wait"  # of a shell, which has begun long before the time is up

    with pytest.raises(CommandTimedOut, match="was killed") as caught:
        CommandHook(arguments=["/bin/sh", "-c", script], timeout=timedelta(seconds=3)).run()

    with pytest.raises(ProcessLookupError):
        _wait_until_gone(int(caught.value.output))


def test_a_command_is_run_where_no_disk_takes_its_output(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    CommandHook(arguments=[sys.executable, "-c", "print('told')"]).run()

    with pytest.raises(CommandFailed, match=r"ended with code 3; it wrote nothing"):
        CommandHook(arguments=[sys.executable, "-c", "raise SystemExit(print('x') or 3)"]).run()


@pytest.fixture
def web_service():
    """Answers 204 to POST /reload?now=1, and 404 otherwise; the list of what was asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(204 if self.path == "/reload?now=1" else 404)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        join(thread)


def test_a_request_reaches_the_service(web_service):
    url, asked = web_service
    RequestHook.from_url(f"{url}/reload?now=1").run()

    assert asked == ["/reload?now=1"]
    with pytest.raises(RequestNotTaken, match="404"):
        RequestHook.from_url(url).run()


@pytest.mark.parametrize("said", [b"HTTP/1.1 204 No Content\r\n", b""])
def test_a_service_that_answers_drop_by_drop_is_not_waited_for(said):
    answered = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            channel, _ = listener.accept()
            with channel, contextlib.suppress(OSError):
                channel.sendall(said)
                while not answered.wait(0.05):
                    channel.sendall(b"x")

        thread = threading.Thread(target=serve)
        thread.start()
        hook = replace(
            RequestHook.from_url(f"http://127.0.0.1:{listener.getsockname()[1]}"), timeout=timedelta(seconds=0.3)
        )
        with pytest.raises(RequestNotTaken, match=r"it took longer than 0\.3 s"):
            hook.run()
        answered.set()
        join(thread)


def test_a_pipe_in_the_place_of_a_pid_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pid")

    with pytest.raises(SignalNotSent, match="does not hold a process id"):
        SignalHook(pid_file=tmp_path / "pid").run()


def test_a_service_that_is_not_there_is_reported():
    with pytest.raises(RequestNotTaken, match="is the service running"):
        RequestHook.from_url("http://127.0.0.1:1/reload").run()


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "http://169.254.169.254/",
        "http://example.com/",
        "http://u:p@localhost/",
        "http://localhost/a b",
    ],
)
def test_an_address_elsewhere_is_refused(url):
    with pytest.raises(ValueError, match=r"."):
        RequestHook.from_url(url)


def test_descriptions_say_what_a_hook_does():
    assert SignalHook(pid=42, signal_number=signal.SIGUSR1).description == "SIGUSR1 to 42"
    assert CommandHook(arguments=["nginx", "-s", "reload"]).description == "command nginx -s reload"
    assert issubclass(CommandTimedOut, ReloadFailed)


def _wait_until_gone(pid: int) -> None:
    """Raises ProcessLookupError once the process is gone; a zombie that init has not reaped yet counts."""
    for _ in range(200):
        os.kill(pid, 0)
        if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            raise ProcessLookupError
        signal.sigtimedwait([], 0.05)
