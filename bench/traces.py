"""What traces cost the authority: the same server with none asked for, with every hundredth kept, and with all of them.

- The servers take turns; the collector takes everything and keeps nothing, on the load generator's core.
"""

import contextlib
import statistics
import tempfile
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.cpu import cores, resident_mebibytes
from bench.driving import Scenario, load_generator, take_turn
from bench.figures import Figure, Finding, Skipped
from bench.servers import authority, command_line

SECTION = "traces: SignCsr over gRPC, 64 in flight, one server core"
_OFF = "no traces"
_VARIABLES: Mapping[str, Mapping[str, str]] = {
    _OFF: {},
    "every hundredth kept": {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"},
    "all kept": {},
}


def measure(*, quick: bool) -> list[Finding]:
    program = command_line()
    if program is None:
        return [Skipped(section=SECTION, name="everything", reason="ca-cli is not installed beside this Python")]
    placement = cores()
    server_core, client_core = placement if placement is not None else (None, None)
    rounds, warm_up, seconds = (2, 0.3, 0.7) if quick else (5, 0.7, 2.5)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.enter_context(_collector())}
        servers = {}
        for name, variables in _VARIABLES.items():
            (directory / name).mkdir()
            environment = {} if name == _OFF else {**endpoint, **variables}
            servers[name] = stack.enter_context(
                authority(program, directory / name, core=server_core, environment=environment)
            )
        generator = stack.enter_context(load_generator(client_core))
        scenario = Scenario(server="chancery", mode="unary")
        spent: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(rounds):
            for name, server in servers.items():
                turn = take_turn(generator, scenario, server, warm_up, seconds, server_core)
                spent[name].append(turn.microseconds / turn.raw)
        return [
            *(
                Figure(section=SECTION, name=f"server CPU, {name}, to that with none", value=ratio, unit="x")
                for name, ratio in _ratios(spent).items()
            ),
            *(
                Figure(section=SECTION, name=f"resident memory, {name}", value=resident_mebibytes(one.pid), unit="MiB")
                for name, one in servers.items()
            ),
        ]


def _ratios(spent: Mapping[str, list[float]]) -> Mapping[str, float]:
    """Of turns that followed each other."""
    return {
        name: statistics.median(one / off for one, off in zip(turns, spent[_OFF], strict=True))
        for name, turns in spent.items()
        if name != _OFF
    }


@contextlib.contextmanager
def _collector() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
