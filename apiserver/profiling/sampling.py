"""Where time goes: the stacks of all threads, looked at a hundred times a second.

- Both what runs and what waits is seen; a thread that waits in the standard library's or the event loop's waiting places counts
  as waiting, and only to wall time.
- A profile costs about a percent of one core while it is taken.
"""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import FrameType

from apiserver.profiling.profile_format import Frame, Sample, encode_profile

_PERIOD_SECONDS = 0.01
_DEEPEST = 128
_WAITING = frozenset({"wait", "select", "poll", "epoll", "acquire", "get", "_recv", "accept", "run_forever", "_worker"})
_WAITING_FILES = ("threading.py", "selectors.py", "queue.py", "thread.py", "socket.py")


def profile_cpu(seconds: float, *, pause: Callable[[float], object], time_nanos: int) -> bytes:
    """Blocks for `seconds`, in a thread of its own. `pause` waits, as `time.sleep` does."""
    found: Counter[tuple[tuple[Frame, ...], bool]] = Counter()
    own = threading.get_ident()
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < seconds:
        for thread, innermost in sys._current_frames().items():  # noqa: SLF001 - the documented way to all stacks
            if thread != own:
                found[_stack(innermost), _waits(innermost)] += 1
        pause(min(_PERIOD_SECONDS, seconds - passed))
    period = int(_PERIOD_SECONDS * 1e9)
    samples = [
        Sample(stack=stack, values=(0 if waits else count, 0 if waits else count * period, count * period))
        for (stack, waits), count in found.items()
    ]
    return encode_profile(
        samples,
        kinds=(("samples", "count"), ("cpu", "nanoseconds"), ("wall", "nanoseconds")),
        period=("cpu", "nanoseconds", period),
        time_nanos=time_nanos,
        duration_nanos=int((time.monotonic() - begun) * 1e9),
    )


def thread_stacks() -> str:
    """Every thread and where it is, for people."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    for number, innermost in sys._current_frames().items():  # noqa: SLF001 - as above
        lines = [f"thread {number} [{names.get(number, 'unknown')}]:"]
        lines += [f"\t{frame.function}\n\t\t{frame.file}:{frame.line}" for frame in _stack(innermost)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _stack(frame: FrameType | None) -> tuple[Frame, ...]:
    found: list[Frame] = []
    while frame is not None and len(found) < _DEEPEST:
        code = frame.f_code
        found.append(
            Frame(function=code.co_qualname, file=code.co_filename, line=frame.f_lineno or code.co_firstlineno)
        )
        frame = frame.f_back
    return tuple(found)


def _waits(frame: FrameType) -> bool:
    code = frame.f_code
    return code.co_name in _WAITING and code.co_filename.endswith((*_WAITING_FILES, "uvloop"))
