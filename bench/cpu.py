"""CPU time and memory: of a function in slices beside others, of a process and its children, and the core each runs on."""

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU time of one call: microseconds (best decile of the slices), and the median ratio to the reference."""

    microseconds: float
    ratio: float


def compare(
    variants: Mapping[str, Callable[[], object]], *, reference: str, rounds: int, slice_seconds: float
) -> dict[str, Cost]:
    """Runs all variants in turn, a slice each, `rounds` times; a ratio is taken between slices of the same round.

    The order turns with the rounds, so that no variant always comes after the same one.
    """
    slices: dict[str, list[float]] = {name: [] for name in variants}
    names = list(variants)
    for name in names:
        _slice(variants[name], slice_seconds / 3)
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            slices[name].append(_slice(variants[name], slice_seconds))
    return {
        name: Cost(microseconds=_decile(slices[name]) * 1e6, ratio=_paired(slices, name, reference)) for name in names
    }


def process_seconds(pid: int) -> float:
    """User and system time of a process and of the children that it has now, in seconds; kernel resolution is 10 ms."""
    return sum(_own_seconds(each) for each in (pid, *_descendants(pid)))


def resident_mebibytes(pid: int) -> float:
    """Resident set of a process and of its children."""
    return sum(_status_kibibytes(each, "VmRSS") for each in (pid, *_descendants(pid))) / 1024


def peak_mebibytes(pid: int) -> float:
    """The most that a process, without its children, was resident with."""
    return _status_kibibytes(pid, "VmHWM") / 1024


def forget_peak(pid: int) -> None:
    """From here on the peak counts anew (proc(5): clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def cores() -> tuple[int, int] | None:
    """The core of what is measured and the core of who measures, or None where there is one core only."""
    available = sorted(os.sched_getaffinity(0))
    return (available[0], available[-1]) if len(available) > 1 else None


def pin(pid: int, core: int | None) -> None:
    """Binds every thread of `pid` to one core; does nothing for None."""
    if core is None:
        return
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def _slice(function: Callable[[], object], seconds: float) -> float:
    """CPU seconds per call, over about `seconds` of calls in small groups."""
    count, start = 0, time.thread_time()
    deadline = start + seconds
    while True:
        for _ in range(8):
            function()
        count += 8
        now = time.thread_time()
        if now >= deadline:
            return (now - start) / count


def _decile(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 10]


def _paired(slices: Mapping[str, Sequence[float]], name: str, reference: str) -> float:
    return statistics.median(one / other for one, other in zip(slices[name], slices[reference], strict=True))


def _own_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text(encoding="ascii").split()):
            found += [child, *_descendants(child)]
    return found


def _status_kibibytes(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    return 0
