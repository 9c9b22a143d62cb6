"""The end of threads that a test has begun: awaited with patience, and where one does not end, what all of them are at."""

import asyncio
import io
import sys
import threading
import traceback
from collections.abc import Iterable

PATIENCE_SECONDS = 60.0


def join(*threads: threading.Thread, loops: Iterable[asyncio.AbstractEventLoop] = ()) -> None:
    """Returns once they have ended. Fails with the stacks of every thread, and of the tasks of `loops`, where they have not."""
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive(), f"{thread.name} does not end\n{stacks(loops)}"


def stacks(loops: Iterable[asyncio.AbstractEventLoop] = ()) -> str:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    told = [
        f"thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
    ]
    told += [_stack_of(task) for loop in loops for task in asyncio.all_tasks(loop)]
    return "\n".join(told)


def _stack_of(task: "asyncio.Task[object]") -> str:
    written = io.StringIO()
    task.print_stack(file=written)
    return written.getvalue()
