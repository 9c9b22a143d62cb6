"""Many threads read a form for the first time: in a process of its own, as that may be the end of it."""

import subprocess
import sys
from pathlib import Path

_READING = """
import sys, threading
import msgspec
from serving.records import read_by_threads

def form():
    class Inner(msgspec.Struct):
        name: str = ""
        groups: list[str] | None = None
        extra: dict[str, list[str] | None] | None = None
    class Middle(msgspec.Struct):
        inner: Inner = msgspec.field(default_factory=Inner)
    @read_by_threads
    class Outer(msgspec.Struct):
        middle: Middle
    return Outer

sys.setswitchinterval(1e-6)
for _ in range(300):
    outer, together = form(), threading.Barrier(8)
    def read():
        together.wait()
        assert msgspec.json.decode(b'{"middle": {"inner": {"name": "a"}}}', type=outer).middle.inner.name == "a"
        assert msgspec.convert({"middle": {"inner": {"name": "b"}}}, outer).middle.inner.name == "b"
    threads = [threading.Thread(target=read) for _ in range(8)]
    for each in threads: each.start()
    for each in threads: each.join()
"""


def test_threads_may_read_a_form_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _READING], cwd=Path(__file__).parents[2],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
