"""What memory is held by: allocations since tracing began, by where they were made.

- Tracing costs memory and a third of the speed. It runs only while a profile is taken, which shows what was allocated then and is
  still held.
"""

import threading
import time
import tracemalloc

from apiserver.profiling.profile_format import Frame, Sample, encode_profile

_DEPTH = 24


def profile_heap(stopping: threading.Event, seconds: float, *, time_nanos: int) -> bytes:
    """Blocks for `seconds`, or until `stopping` is set."""
    begun = time.monotonic()
    ours = not tracemalloc.is_tracing()
    if ours:
        tracemalloc.start(_DEPTH)
    try:
        stopping.wait(seconds)
        snapshot = tracemalloc.take_snapshot()
    finally:
        if ours:
            tracemalloc.stop()
    samples = [
        Sample(
            stack=tuple(
                Frame(
                    function=f"{frame.filename.rpartition('/')[2]}:{frame.lineno}",
                    file=frame.filename,
                    line=frame.lineno,
                )
                for frame in reversed(statistic.traceback)
            ),
            values=(statistic.count, statistic.size),
        )
        for statistic in snapshot.statistics("traceback")
    ]
    return encode_profile(
        samples,
        kinds=(("inuse_objects", "count"), ("inuse_space", "bytes")),
        period=("space", "bytes", 1),
        time_nanos=time_nanos,
        duration_nanos=int((time.monotonic() - begun) * 1e9),
    )
