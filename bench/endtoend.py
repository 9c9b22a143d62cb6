"""Certificates over gRPC with mTLS: ca-cli serve on one core, the load generator on another (goals 3 to 7).

Scenarios take turns, several times over; raw signatures and verifications are measured on the server's core before each.
"""

import contextlib
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.cpu import cores, resident_mebibytes
from bench.crypto import RAW, SIGNATURES
from bench.driving import IN_FLIGHT, Measured, Scenario, load_generator, take_turn
from bench.figures import Figure, Finding, Skipped
from bench.servers import RunningServer, authority, command_line, comparison
from bench.slow_disk import NO_COMPILER, build_slow_disk

SECTION = "end to end: gRPC, mTLS, P-256, one server core"
CONNECTING = 8
BARE_CALL = "a call without a handler of ours (health), server CPU"
SIGNING = "SignCsr, 64 in flight, server CPU, raw = verify + sign"


SCENARIOS = (
    Scenario(server="chancery", mode="unary"),
    Scenario(server="go", mode="unary"),
    Scenario(server="slow", mode="unary"),
    Scenario(server="chancery", mode="bulk"),
    Scenario(server="chancery", mode="health"),
    Scenario(server="go", mode="health"),
    Scenario(server="chancery", mode="template"),
    Scenario(server="chancery", mode="connect", in_flight=CONNECTING),
    Scenario(server="go", mode="connect", in_flight=CONNECTING),
    Scenario(server="chancery", mode="unary", in_flight=1),
    Scenario(server="go", mode="unary", in_flight=1),
)

Turns = Mapping[tuple[str, str, int], list[Measured]]


def measure(*, quick: bool) -> list[Finding]:
    program = command_line()
    if program is None:
        return [Skipped(section=SECTION, name="everything", reason="ca-cli is not installed beside this Python")]
    placement = cores()
    server_core, client_core = placement if placement is not None else (None, None)
    rounds, warm_up, seconds = (1, 0.3, 0.7) if quick else (3, 0.7, 2.5)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        servers = _start_servers(stack, program, directory, server_core)
        at_rest = resident_mebibytes(servers["chancery"].pid)
        generator = stack.enter_context(load_generator(client_core))
        turns: dict[tuple[str, str, int], list[Measured]] = defaultdict(list)
        for _ in range(rounds):
            for scenario in SCENARIOS:
                server = servers.get(scenario.server)
                if server is not None:
                    turns[scenario.key].append(take_turn(generator, scenario, server, warm_up, seconds, server_core))
        loaded = resident_mebibytes(servers["chancery"].pid)
        return [
            *_process_figures(servers["chancery"], at_rest, loaded),
            *_figures(turns),
            *_absent(servers),
        ]


def _start_servers(
    stack: contextlib.ExitStack, program: str, directory: Path, core: int | None
) -> dict[str, RunningServer]:
    for name in ("chancery", "slow", "go"):
        (directory / name).mkdir()
    """The slow one first: whoever comes later finds bytecode, as an installed program does, and shows its start-up time."""
    servers: dict[str, RunningServer] = {}
    shim = build_slow_disk(directory)
    if shim is not None:
        environment = {"LD_PRELOAD": str(shim)}
        servers["slow"] = stack.enter_context(
            authority(program, directory / "slow", core=core, environment=environment)
        )
    servers["chancery"] = stack.enter_context(authority(program, directory / "chancery", core=core))
    go = stack.enter_context(comparison(directory / "go", core=core))
    if isinstance(go, RunningServer):
        servers["go"] = go
    return servers


def _process_figures(server: RunningServer, at_rest: float, loaded: float) -> list[Finding]:
    def figure(name: str, value: float, unit: str) -> Figure:
        return Figure(section=SECTION, name=name, value=value, unit=unit)

    return [
        figure("ca-cli serve, from start to listening", server.start_seconds, "s"),
        figure("resident memory at rest", at_rest, "MiB"),
        figure("resident memory after the load", loaded, "MiB"),
    ]


def _figures(turns: Turns) -> Iterator[Finding]:
    ours, slow = ("chancery", "unary", IN_FLIGHT), ("slow", "unary", IN_FLIGHT)
    bulk, connect = ("chancery", "bulk", IN_FLIGHT), ("chancery", "connect", CONNECTING)
    template, health = ("chancery", "template", IN_FLIGHT), ("chancery", "health", IN_FLIGHT)
    single = ("chancery", "unary", 1)
    yield _rate("SignCsr, 64 in flight", turns[ours], goal=4, budget=1200)
    yield _against_raw(SIGNING, turns[ours], goal=3, budget=5.5)
    yield from _against_go("SignCsr, 64 in flight", turns, ours, goal=3, budget=1.4)
    if slow in turns:
        yield _kept("SignCsr, 64 in flight, fdatasync +2 ms", turns[slow], turns[ours], goal=5, budget=90)
    yield _rate("SignCsrs, 4 streams, 64 in flight", turns[bulk])
    yield _against_raw("SignCsrs, 4 streams, 64 in flight, server CPU", turns[bulk])
    yield _rate("new mTLS connection and SignCsr", turns[connect])
    yield from _against_go("new mTLS connection and SignCsr", turns, connect, goal=6, budget=1.6)
    yield _against_signature(BARE_CALL, turns[health], goal=7, budget=8)
    yield from _against_go("a call without a handler of ours (health)", turns, health, goal=7, budget=4)
    yield _against_signature("GetCsrTemplate: authenticated, policy asked, counted, server CPU", turns[template])
    yield _latency("SignCsr, 1 in flight", turns[single])
    if (go := ("go", "unary", 1)) in turns:
        yield _latency("SignCsr, 1 in flight, Go", turns[go])


def _rate(name: str, turns: list[Measured], *, goal: int | None = None, budget: float | None = None) -> Figure:
    result = turns[len(turns) // 2].result
    return Figure(
        section=SECTION,
        name=f"{name}, answers",
        value=statistics.median(turn.rate for turn in turns),
        unit="1/s",
        goal=goal,
        budget=budget,
        at_least=True,
        note=f"p50 {result.p50:.1f} ms, p99 {result.p99:.1f} ms; generator at {result.client_seconds / result.seconds:.2f} core",
    )


def _against_raw(name: str, turns: list[Measured], *, goal: int | None = None, budget: float | None = None) -> Figure:
    return Figure(
        section=SECTION,
        name=name,
        value=statistics.median(turn.microseconds / turn.raw for turn in turns),
        unit=RAW,
        goal=goal,
        budget=budget,
        note=_spent(turns),
    )


def _against_signature(
    name: str, turns: list[Measured], *, goal: int | None = None, budget: float | None = None
) -> Figure:
    return Figure(
        section=SECTION,
        name=name,
        value=statistics.median(turn.microseconds / turn.signature for turn in turns),
        unit=SIGNATURES,
        goal=goal,
        budget=budget,
        note=_spent(turns),
    )


def _against_go(name: str, turns: Turns, key: tuple[str, str, int], *, goal: int, budget: float) -> Iterator[Figure]:
    other = turns.get(("go", *key[1:]))
    if other is None:
        return
    yield Figure(
        section=SECTION,
        name=f"{name}, server CPU",
        value=statistics.median(
            one.microseconds / two.microseconds for one, two in zip(turns[key], other, strict=True)
        ),
        unit="x Go",
        goal=goal,
        budget=budget,
        note=f"Go: {_spent(other)}, {statistics.median(turn.rate for turn in other):,.0f} 1/s",
    )


def _kept(name: str, slow: list[Measured], fast: list[Measured], *, goal: int, budget: float) -> Figure:
    return Figure(
        section=SECTION,
        name=f"{name}, throughput kept",
        value=statistics.median(100 * one.rate / two.rate for one, two in zip(slow, fast, strict=True)),
        unit="%",
        goal=goal,
        budget=budget,
        at_least=True,
        note=f"{statistics.median(turn.rate for turn in slow):,.0f} 1/s",
    )


def _latency(name: str, turns: list[Measured]) -> Figure:
    return Figure(
        section=SECTION,
        name=f"{name}, median latency",
        value=statistics.median(turn.result.p50 for turn in turns),
        unit="ms",
        note=f"p99 {statistics.median(turn.result.p99 for turn in turns):.2f} ms, {_spent(turns)}",
    )


def _spent(turns: list[Measured]) -> str:
    return f"{statistics.median(turn.microseconds for turn in turns):,.0f} µs, {_busy(turns):.2f} core"


def _busy(turns: list[Measured]) -> float:
    return statistics.median(turn.server_seconds / turn.result.seconds for turn in turns)


def _absent(servers: Mapping[str, RunningServer]) -> Iterator[Skipped]:
    if "go" not in servers:
        yield Skipped(section=SECTION, name="comparison with Go", reason="no Go toolchain, or it does not build")
    if "slow" not in servers:
        yield Skipped(section=SECTION, name="SignCsr, fdatasync +2 ms", reason=NO_COMPILER)
