"""Where time goes: the stacks of all threads, looked at a hundred times a second.

- Each look gives two times: wall, which passes for whoever waits as well, and cpu, which is what the thread's own clock has gone on
  since the last look (Linux). A thread that waits and one that runs for a moment are told apart without guessing.
- A look needs the interpreter, and gets it where a thread gives it up: work inside a C function that keeps it shows at the next
  place after it. What a library's own thread does outside of Python does not show at all.
- Elsewhere than on Linux cpu is wall, but for threads in one of the standard library's waiting places; the profile says so.
- A profile costs about a percent of one core while it is taken, and its size is bounded.
"""

import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from apiserver.profiling.profile_format import Sample, encode_profile
from apiserver.profiling.stacks import Place, frames_of, stack_of, thread_names

_PERIOD_SECONDS = 0.01
_MOST_STACKS = 20_000
_WAITING = frozenset({"wait", "select", "poll", "epoll", "acquire", "get", "_recv", "accept", "run_forever", "_worker"})
_WAITING_FILES = ("threading.py", "selectors.py", "queue.py", "thread.py", "socket.py")

_Key = tuple[str, tuple[Place, ...]]


def profile_cpu(seconds: float, *, pause: Callable[[float], object], time_nanos: int) -> bytes:
    """Blocks for `seconds`, in a thread of its own. `pause` waits, as `time.sleep` does, and returns True to end early."""
    looks = _Looks()
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < seconds:
        if pause(min(_PERIOD_SECONDS, seconds - passed)) is True:
            break
        looks.look()
    period = int(_PERIOD_SECONDS * 1e9)
    return encode_profile(
        looks.samples(),
        kinds=(("samples", "count"), ("wall", "nanoseconds"), ("cpu", "nanoseconds")),
        period=("cpu", "nanoseconds", period),
        time_nanos=time_nanos,
        duration_nanos=int((time.monotonic() - begun) * 1e9),
        shown="cpu",
        comments=[
            "cpu: of each thread's own clock" if looks.has_clocks else "cpu: guessed from where threads are",
            f"a look each {_PERIOD_SECONDS * 1000:g} ms",
        ],
    )


class _Looks:
    """What was seen so far."""

    def __init__(self) -> None:
        self._own = threading.get_ident()
        self._found: dict[_Key, list[int]] = {}
        self._clocks: dict[int, int] = {}
        self._before = time.monotonic_ns()
        self.has_clocks = _thread_clock(threading.get_native_id()) is not None
        self._read_clocks()

    def look(self) -> None:
        now = time.monotonic_ns()
        wall, self._before = now - self._before, now
        names, used = thread_names(), self._read_clocks()
        for thread, innermost in sys._current_frames().items():  # noqa: SLF001 - the documented way to all stacks
            if thread == self._own:
                continue
            cpu = used.get(thread, 0) if self.has_clocks else 0 if _waits(innermost) else wall
            self._add((names.get(thread, "unknown"), stack_of(innermost)), wall, min(cpu, wall))

    def samples(self) -> list[Sample]:
        return [
            Sample(stack=frames_of(stack), values=(count, wall, cpu), labels={"thread": name})
            for (name, stack), (count, wall, cpu) in self._found.items()
        ]

    def _add(self, key: _Key, wall: int, cpu: int) -> None:
        if key not in self._found and len(self._found) >= _MOST_STACKS:
            key = (key[0], key[1][-1:])  # only where the thread began: time is kept, the place is not
        values = self._found.setdefault(key, [0, 0, 0])
        values[0] += 1
        values[1] += wall
        values[2] += cpu

    def _read_clocks(self) -> dict[int, int]:
        """Nanoseconds that each thread has run since the last time, by its identifier."""
        used, clocks = {}, {}
        for thread in threading.enumerate():
            if thread.ident is None or thread.native_id is None:
                continue
            clock = _thread_clock(thread.native_id)
            if clock is not None:
                clocks[thread.ident] = clock
                used[thread.ident] = clock - self._clocks.get(thread.ident, clock)
        self._clocks = clocks
        return used


def _thread_clock(native_id: int) -> int | None:
    """A thread's CPU time in nanoseconds.

    The clock's number is made from the thread's, as glibc's pthread_getcpuclockid makes it; that function itself must not be
    asked about a thread that may just have ended, while a clock that is no more is an error like any other.
    """
    if sys.platform != "linux":
        return None
    try:
        return time.clock_gettime_ns(~native_id << 3 | 6)
    except OSError:
        return None


def _waits(frame: FrameType) -> bool:
    code = frame.f_code
    return code.co_name in _WAITING and code.co_filename.endswith(_WAITING_FILES)
