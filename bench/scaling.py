"""Two servers on two cores beside one on one (goal 4): each with its own inventory, generators wherever there is room."""

import contextlib
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.cpu import cores
from bench.driving import LoadGenerator, Measured, Scenario, load_generator, take_turn
from bench.figures import Figure, Finding, Skipped
from bench.servers import RunningServer, authority, command_line

SECTION = "two servers on two cores"
WARM_UP, SECONDS = 1.0, 5.0
_UNARY = Scenario(server="chancery", mode="unary")


def measure(*, quick: bool) -> list[Finding]:
    program, placement = command_line(), cores()
    if program is None or placement is None:
        return [Skipped(section=SECTION, name="everything", reason="needs ca-cli and two cores")]
    if quick:
        return [Skipped(section=SECTION, name="everything", reason="left out of a quick run")]
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        servers = []
        for number, core in enumerate(placement):
            (directory / str(number)).mkdir()
            servers.append(stack.enter_context(authority(program, directory / str(number), core=core)))
        generators = [stack.enter_context(load_generator(None)) for _ in servers]
        alone = take_turn(generators[0], _UNARY, servers[0], WARM_UP, SECONDS, placement[0])
        together = all_at_once(generators, servers, seconds=SECONDS)
        return [_figure(alone, together)]


def all_at_once(generators: list[LoadGenerator], servers: list[RunningServer], *, seconds: float) -> list[Measured]:
    """A turn of each generator at its own server, in the same seconds."""
    with ThreadPoolExecutor(len(servers)) as pool:
        turns = [
            pool.submit(take_turn, generator, _UNARY, server, WARM_UP, seconds, None)
            for generator, server in zip(generators, servers, strict=True)
        ]
        return [turn.result() for turn in turns]


def _figure(alone: Measured, together: list[Measured]) -> Figure:
    stolen = sum(turn.result.client_seconds / turn.result.seconds for turn in together)
    return Figure(
        section=SECTION,
        name="SignCsr, 64 in flight each, answers of two beside one",
        value=sum(turn.rate for turn in together) / alone.rate,
        unit="x one",
        goal=4,
        budget=1.6,
        at_least=True,
        note=f"{sum(turn.rate for turn in together):,.0f} 1/s, the generators took {stolen:.2f} of the cores",
    )
