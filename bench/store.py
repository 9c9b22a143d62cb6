"""Durable rows a second and CPU time for a row, on each engine, with and without a slow disk (goal 5)."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.figures import Figure, Finding, Skipped
from bench.slow_disk import NO_COMPILER, build_slow_disk
from bench.store_worker import Recorded

SECTION = "store: certificates with names and audit event, committed durably"
JUDGED = "SQLite, 64 for each commit, CPU for a row"
_FLUSH_PROBE_SIZE = 1


def measure(*, quick: bool) -> list[Finding]:
    seconds = 0.4 if quick else 2.5
    with tempfile.TemporaryDirectory(prefix="bench-store-") as name:
        directory = Path(name)
        fast = _run_sqlite(directory / "fast", seconds, {})
        findings: list[Finding] = list(_engine_figures("SQLite", fast))
        shim = build_slow_disk(directory)
        if shim is None:
            findings.append(Skipped(section=SECTION, name="SQLite, fdatasync +2 ms", reason=NO_COMPILER))
        else:
            slow = _run_sqlite(directory / "slow", seconds, {"LD_PRELOAD": str(shim)})
            findings += _slow_figures(fast, slow)
        return [*findings, *_postgresql(seconds)]


def _engine_figures(engine: str, results: Mapping[int, Recorded]) -> Iterator[Figure]:
    for size, recorded in results.items():
        name = f"{engine}, {size} for each commit, CPU for a row"
        yield Figure(
            section=SECTION,
            name=name,
            value=recorded.cpu_ratio,
            unit="S",
            goal=5 if name == JUDGED else None,
            budget=1.0 if name == JUDGED else None,
            note=f"{recorded.cpu_microseconds:.0f} µs, {recorded.rows_per_second:,.0f} rows/s",
        )


def _slow_figures(fast: Mapping[int, Recorded], slow: Mapping[int, Recorded]) -> Iterator[Finding]:
    """A shim that nobody calls would make every strategy look fine: one row a commit must have become slow."""
    if slow[_FLUSH_PROBE_SIZE].rows_per_second > 500:
        yield Skipped(section=SECTION, name="SQLite, fdatasync +2 ms", reason="the preloaded delay has no effect here")
        return
    for size, recorded in slow.items():
        yield Figure(
            section=SECTION,
            name=f"SQLite, {size} for each commit, fdatasync +2 ms, rows kept",
            value=100 * recorded.rows_per_second / fast[size].rows_per_second,
            unit="%",
            note=f"{recorded.rows_per_second:,.0f} rows/s, one writer that waits for each commit",
        )


def _postgresql(seconds: float) -> list[Finding]:
    try:
        from tests.servers.postgresql import find_binaries, make_server  # noqa: PLC0415 - needs pytest and psycopg
    except ImportError as err:
        return [Skipped(section=SECTION, name="PostgreSQL", reason=f"the test servers cannot be loaded: {err}")]
    if find_binaries() is None:
        return [Skipped(section=SECTION, name="PostgreSQL", reason="no server binaries; install postgresql")]
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        server = make_server(Path(name))
        try:
            return list(_engine_figures("PostgreSQL", _run(server.create_database(), seconds, {})))
        finally:
            server.stop()


def _run_sqlite(directory: Path, seconds: float, environment: Mapping[str, str]) -> dict[int, Recorded]:
    directory.mkdir(mode=0o700)
    return _run(f"sqlite://{directory / 'bench.db'}", seconds, environment)


def _run(url: str, seconds: float, environment: Mapping[str, str]) -> dict[int, Recorded]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.store_worker", url, str(seconds)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        check=True,
        timeout=120,
    )
    results = (Recorded(**json.loads(line)) for line in done.stdout.splitlines())
    return {recorded.batch_size: recorded for recorded in results}
