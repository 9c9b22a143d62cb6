"""`ca-cli serve` as a process of its own, for tests that kill it, starve it or tell it to stop."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from ca.office import AdministratorIdentity

_STOP_SECONDS = 30
_SLOW_START = "PYTHONDONTWRITEBYTECODE"  # an installed program finds its bytecode


@dataclass(slots=True, kw_only=True)
class ServingProcess:
    """The program as its users start it: home directory, variables, and what it says on standard output."""

    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    endpoints: dict[str, str] = field(default_factory=dict)
    """`http`, `grpc` and `enrollment`, as last announced."""
    _process: "subprocess.Popen[str] | None" = None
    _channels: list[grpc.Channel] = field(default_factory=list)

    @property
    def data_directory(self) -> Path:
        return self.home / "ca"

    @property
    def database_url(self) -> str:
        return self.settings.get("database") or f"sqlite://{self.data_directory / 'chancery.db'}"

    @property
    def process(self) -> "subprocess.Popen[str]":
        assert self._process is not None, "the server was not started"
        return self._process

    @property
    def log(self) -> str:
        return (self.home / "log").read_text()

    @property
    def administrator(self) -> AdministratorIdentity:
        chain, key, roots = ((self.home / "identity" / name).read_bytes() for name in ("tls.crt", "tls.key", "ca.crt"))
        return AdministratorIdentity(private_key=key, chain=chain, roots=roots, certificate_id="")

    def launch(self) -> None:
        """Starts the process and does not wait for it."""
        self.home.mkdir(exist_ok=True)
        ports = {"grpc_port": "0", "http_port": "0", "enrollment_port": "0"}
        variables = {f"CHANCERY_{name.upper()}": value for name, value in (ports | self.settings).items()}
        with (self.home / "log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "serve"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={name: value for name, value in os.environ.items() if name != _SLOW_START}
                | variables
                | {"CHANCERY_HOME": str(self.home)},
            )

    def start(self) -> None:
        """Returns once every listener answers."""
        self.launch()
        self.await_listeners()

    def await_listeners(self) -> None:
        """Of a process that was launched."""
        assert self.process.stdout is not None
        self.endpoints = {}
        while len(self.endpoints) < 3:
            line = self.process.stdout.readline()
            assert line, f"the server ended with {self.process.wait()}: {self.log[-2000:]}"
            name, address, *_ = line.split()
            self.endpoints[name] = address.replace("127.0.0.1", "localhost")

    def kill(self) -> None:
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """Asks it to stop, as an init system would, and returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def channel(self) -> grpc.Channel:
        """To the mTLS port, as the administrator; a connection of its own, and never a second one."""
        identity = self.administrator
        credentials = grpc.ssl_channel_credentials(identity.roots, identity.private_key, identity.chain)
        return self._kept(grpc.secure_channel(self.endpoints["grpc"], credentials, _OWN_CONNECTION))

    def public_channel(self) -> grpc.Channel:
        credentials = grpc.ssl_channel_credentials(self.administrator.roots)
        return self._kept(grpc.secure_channel(self.endpoints["enrollment"], credentials, _OWN_CONNECTION))

    def close_channels(self) -> None:
        while self._channels:
            self._channels.pop().close()

    def _kept(self, channel: grpc.Channel) -> grpc.Channel:
        self._channels.append(channel)
        return channel

    def _reap(self) -> int:
        status = self.process.wait(_STOP_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._process = None
        return status


_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))


@contextlib.contextmanager
def serving_process(home: Path, **settings: str) -> Iterator[ServingProcess]:
    """A started server; whatever the test did to it, nothing is left running."""
    server = ServingProcess(home=home, settings=settings)
    try:
        server.start()
        yield server
    finally:
        server.close_channels()
        if server._process is not None:
            server.kill()
