"""Where everything is right now: the stacks of threads, and of tasks that wait in the event loop.

- Tasks that wait at the same place are told once, with their number: a thousand watches are one line.
"""

import asyncio
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import CodeType, FrameType

from apiserver.profiling.profile_format import Frame, Sample, encode_profile

Tasks = Iterable["asyncio.Task[object]"]
Place = tuple[CodeType, int]
"""A function and a line of it: cheap to take, and turned into a `Frame` once it is written."""

_DEEPEST = 128
_MOST_TASKS = 20_000  # looked at; a server may have more watches, but hardly in more places


def thread_stacks(tasks: Tasks = ()) -> str:
    """Every thread, and where it is; then every place where some of `tasks` wait. For people."""
    parts = [_text(f"thread {name}", stack) for name, stack in _threads()]
    parts += [_text(f"{number} x task", stack) for stack, number in _waiting(tasks).most_common()]
    return "\n\n".join(parts) + "\n"


def profile_stacks(tasks: Tasks = (), *, time_nanos: int) -> bytes:
    """The same as a profile: what Go calls goroutine."""
    samples = [
        Sample(stack=frames_of(stack), values=(1,), labels={"thread": name, "kind": "thread"})
        for name, stack in _threads()
    ]
    samples += [
        Sample(stack=frames_of(stack), values=(number,), labels={"kind": "task"})
        for stack, number in _waiting(tasks).items()
    ]
    return encode_profile(
        samples,
        kinds=(("goroutine", "count"),),
        period=("goroutine", "count", 1),
        time_nanos=time_nanos,
        duration_nanos=0,
    )


def thread_names() -> Mapping[int, str]:
    """By the identifiers that `sys._current_frames` uses."""
    return {thread.ident: thread.name for thread in threading.enumerate() if thread.ident is not None}


def stack_of(frame: FrameType | None) -> tuple[Place, ...]:
    """Innermost first."""
    found: list[Place] = []
    while frame is not None and len(found) < _DEEPEST:
        found.append((frame.f_code, frame.f_lineno or frame.f_code.co_firstlineno))
        frame = frame.f_back
    return tuple(found)


def frames_of(stack: Iterable[Place]) -> tuple[Frame, ...]:
    return tuple(
        Frame(function=_name_of(code), file=code.co_filename, line=line, first_line=code.co_firstlineno)
        for code, line in stack
    )


def _name_of(code: CodeType) -> str:
    """Qualified by its file, as Go's are by their package: `run` alone would be a hundred functions."""
    module = code.co_filename.rpartition("/")[2].removesuffix(".py")
    return f"{module}.{code.co_qualname}"


def _threads() -> Iterator[tuple[str, tuple[Place, ...]]]:
    names = thread_names()
    for number, innermost in sys._current_frames().items():  # noqa: SLF001 - the documented way to all stacks
        yield names.get(number, f"{number} (not of Python's)"), stack_of(innermost)


def _waiting(tasks: Tasks) -> "Counter[tuple[Place, ...]]":
    found: Counter[tuple[Place, ...]] = Counter()
    for task, _ in zip(tasks, range(_MOST_TASKS), strict=False):
        if stack := _awaiting(task.get_coro()):
            found[stack] += 1
    return found


def _awaiting(awaited: object) -> tuple[Place, ...]:
    """Along what a coroutine waits for: a task's own `get_stack` ends at the first."""
    found: list[Place] = []
    while awaited is not None and len(found) < _DEEPEST:
        frame = (
            getattr(awaited, "cr_frame", None)
            or getattr(awaited, "gi_frame", None)
            or getattr(awaited, "ag_frame", None)
        )
        if frame is not None:
            found.append((frame.f_code, frame.f_lineno or frame.f_code.co_firstlineno))
        awaited = (
            getattr(awaited, "cr_await", None)
            or getattr(awaited, "gi_yieldfrom", None)
            or getattr(awaited, "ag_await", None)
        )
    return tuple(reversed(found))


def _text(head: str, stack: Iterable[Place]) -> str:
    lines = [f"\t{frame.function}\n\t\t{frame.file}:{frame.line}" for frame in frames_of(stack)]
    return "\n".join([f"{head}:", *lines])
