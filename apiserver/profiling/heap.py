"""What memory is held by: allocations of Python's since tracing began, by where they were made.

- Tracing costs memory and a third of the speed. It runs only while a profile is taken, which shows what was allocated then and is
  still held; or always, where the process was started with PYTHONTRACEMALLOC=24, and then a profile shows all of it at once.
- What libraries allocate without Python (the database's cache, TLS) does not show.
"""

import threading
import time
import tracemalloc

from apiserver.profiling.profile_format import Frame, Sample, encode_profile

_DEPTH = 24
_MOST_PLACES = 20_000


def profile_heap(stopping: threading.Event, seconds: float, *, time_nanos: int) -> bytes:
    """Blocks for `seconds`, or until `stopping` is set; not at all where tracing has been on before."""
    begun = time.monotonic()
    ours = not tracemalloc.is_tracing()
    if ours:
        tracemalloc.start(_DEPTH)
    try:
        if ours:
            stopping.wait(seconds)
        snapshot = tracemalloc.take_snapshot()
    finally:
        if ours:
            tracemalloc.stop()
    own = tracemalloc.Filter(inclusive=False, filename_pattern=tracemalloc.__file__)
    statistics = snapshot.filter_traces([own]).statistics("traceback")
    samples = [Sample(stack=_stack(one.traceback), values=(one.count, one.size)) for one in statistics[:_MOST_PLACES]]
    if rest := statistics[_MOST_PLACES:]:
        elsewhere = Frame(function=f"{len(rest)} other places", file="", line=0)
        samples.append(
            Sample(stack=(elsewhere,), values=(sum(one.count for one in rest), sum(one.size for one in rest)))
        )
    passed = time.monotonic() - begun
    return encode_profile(
        samples,
        kinds=(("inuse_objects", "count"), ("inuse_space", "bytes")),
        period=("space", "bytes", 1),
        time_nanos=time_nanos,
        duration_nanos=int(passed * 1e9) if ours else 0,
        comments=[
            f"allocated within {passed:.1f} s and still held"
            if ours
            else "allocated since the process began and still held"
        ],
    )


def _stack(traceback: tracemalloc.Traceback) -> tuple[Frame, ...]:
    """Tracing knows lines, not functions."""
    return tuple(
        Frame(function=f"{frame.filename.rpartition('/')[2]}:{frame.lineno}", file=frame.filename, line=frame.lineno)
        for frame in reversed(traceback)
    )
