"""`python -m bench`: runs the sections, prints a table and leaves JSON in bench/results/."""

import argparse
import json
import logging
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import structlog

from bench import (
    admission,
    agent,
    crypto,
    endtoend,
    memory,
    registrar,
    replicas,
    rotation,
    scaling,
    storage_api,
    store,
    storm,
    traces,
)
from bench.figures import Finding, render, write_json
from bench.shares import shares

RESULTS = Path(__file__).with_name("results")

Section = Callable[..., list[Finding]]
SECTIONS: Mapping[str, Section] = {
    "crypto": lambda *, quick: [*crypto.measure(quick=quick)],
    "store": store.measure,
    "endtoend": endtoend.measure,
    "scaling": scaling.measure,
    "storage_api": storage_api.measure,
    "rotation": rotation.measure,
    "replicas": replicas.measure,
    "agent": agent.measure,
    "registrar": registrar.measure,
    "storm": storm.measure,
    "admission": admission.measure,
    "memory": memory.measure,
    "traces": traces.measure,
}


def main() -> int:
    arguments = _parse()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    started = time.monotonic()
    findings: list[Finding] = []
    for name in arguments.only or SECTIONS:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        findings += SECTIONS[name](quick=arguments.quick)
    findings += shares(findings)
    environment = _environment(quick=arguments.quick, seconds=time.monotonic() - started)
    print(render(findings))
    if os.getloadavg()[0] > len(os.sched_getaffinity(0)) + 1:
        print(
            f"\nThe machine is busy (load {os.getloadavg()[0]:.1f}): ratios of CPU time hold, rates and latencies do not."
        )
    print(f"\n{json.dumps(environment)}")
    path = RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    write_json(path, environment, findings)
    print(f"written to {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measures CPU time and ratios; see bench/README.md."
    )
    parser.add_argument("--quick", action="store_true", help="shorter turns and fewer of them; under 40 seconds in all")
    parser.add_argument(
        "--only", action="append", choices=list(SECTIONS), help="one section; may be given several times"
    )
    return parser.parse_args()


def _environment(*, quick: bool, seconds: float) -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "versions": {name: version(name) for name in ("cryptography", "grpcio", "uvloop", "sqlalchemy")},
        "quick": quick,
        "seconds": round(seconds),
    }


if __name__ == "__main__":
    sys.exit(main())
