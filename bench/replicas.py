"""Two replicas on one PostgreSQL beside one, and beside SQLite: certificates signed and recorded, each generator at one server."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.cpu import cores
from bench.driving import LoadGenerator, Measured, Scenario, load_generator, take_turn
from bench.figures import Figure, Finding, Skipped
from bench.scaling import all_at_once
from bench.servers import RunningServer, authority, command_line

SECTION = "replicas: SignCsr, 64 in flight at each, PostgreSQL and load on the same cores"
_UNARY = Scenario(server="chancery", mode="unary")
_PASSPHRASE = {"CHANCERY_PASSPHRASE": "bench"}


def measure(*, quick: bool) -> list[Finding]:
    program, placement = command_line(), cores()
    if program is None or placement is None:
        return [Skipped(section=SECTION, name="everything", reason="needs ca-cli and two cores")]
    seconds = 1.0 if quick else 5.0
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        for name in ("sqlite", "first", "second"):
            (directory / name).mkdir()
        url = stack.enter_context(_database())
        if url is None:
            return [Skipped(section=SECTION, name="everything", reason="no PostgreSQL server binaries")]
        generators = [stack.enter_context(load_generator(None)) for _ in range(2)]
        shared = {**_PASSPHRASE, "CHANCERY_DATABASE": url}
        with authority(program, directory / "sqlite", core=None, environment=_PASSPHRASE) as sqlite:
            embedded = _turn(generators[:1], [sqlite], seconds)
        first = stack.enter_context(authority(program, directory / "first", core=None, environment=shared))
        alone = _turn(generators[:1], [first], seconds)
        second = stack.enter_context(
            authority(program, directory / "second", core=None, environment=shared, beside=first)
        )
        together = _turn(generators, [first, second], seconds)
    return list(_figures(embedded, alone, together))


@contextlib.contextmanager
def _database() -> Iterator[str | None]:
    from tests.servers.postgresql import find_binaries, make_server  # noqa: PLC0415 - needs pytest and psycopg

    if find_binaries() is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        server = make_server(Path(name))
        try:
            yield server.create_database()
        finally:
            server.stop()


def _turn(generators: list[LoadGenerator], servers: list[RunningServer], seconds: float) -> list[Measured]:
    if len(servers) == 1:
        return [take_turn(generators[0], _UNARY, servers[0], 1.0, seconds, None)]
    return all_at_once(generators, servers, seconds=seconds)


def _figures(embedded: list[Measured], alone: list[Measured], together: list[Measured]) -> Iterator[Figure]:
    rates: Mapping[str, float] = {
        name: sum(turn.rate for turn in turns)
        for name, turns in (("SQLite", embedded), ("one replica", alone), ("two replicas", together))
    }
    for name, other in (("one replica", "SQLite"), ("two replicas", "one replica"), ("two replicas", "SQLite")):
        yield Figure(
            section=SECTION,
            name=f"certificates, {name} beside {other}",
            value=rates[name] / rates[other],
            unit="x",
            note=f"{rates[name]:,.0f} and {rates[other]:,.0f} 1/s",
        )
