"""An administrator for the length of one command, by word of the server that runs on this machine, or in this pod.

- Its key is in memory alone and goes with the process; the certificate ends within the hour whatever happens.
- Who may do that is who may open the server's socket: its own user (`ca.administration_socket`).
- The name is the asker's own word, recorded with all that he does.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ca.client.identity import Identity
    from ca.settings import ServeSettings

LIFETIME = timedelta(hours=1)
_EVERYWHERE = frozenset({"0.0.0.0", "::", "127.0.0.1", "::1"})  # noqa: S104 - compared with, not bound to


@dataclass(slots=True, kw_only=True)
class LocalAdministrator:
    """Asks the server once, when its identity is needed."""

    name: str
    _identity: "Identity | None" = None
    _settings: "ServeSettings | None" = field(default=None)

    @property
    def settings(self) -> "ServeSettings":
        """Those of the server, as far as file and environment say them. Raises SettingsInvalid."""
        if self._settings is None:
            self._settings = _settings_of_environment()
        return self._settings

    @property
    def server(self) -> str:
        """Where it serves gRPC, seen from the machine that it runs on."""
        listeners = self.settings.listeners
        host = "localhost" if listeners.listen_address in _EVERYWHERE else listeners.listen_address
        return f"[{host}]:{listeners.grpc_port}" if ":" in host else f"{host}:{listeners.grpc_port}"

    @property
    def is_plain_text(self) -> bool:
        return not self.settings.listeners.mtls

    def identity(self) -> "Identity":
        """Raises ServerUnreachable where no server runs, FailedPrecondition with what it says, Unavailable, MalformedName."""
        if self._identity is None:
            self._identity = self._made()
        return self._identity

    def _made(self) -> "Identity":
        from ca.client.errors import ServerUnreachable
        from ca.client.identity import Identity
        from cli.new_administrator import ask_running_server

        made = ask_running_server(self.settings, common_name=self.name, lifetime=LIFETIME)
        if made is None:
            raise ServerUnreachable(f"no server runs on {self.settings.data_directory}")
        return Identity.from_pem(chain_pem=made.chain, private_key_pem=made.private_key, roots_pem=made.roots)


def _settings_of_environment() -> "ServeSettings":
    """As `serve` finds them where it is given no flags."""
    import click

    from cli.server_settings import read_settings, settings_options

    @click.command()
    @settings_options(groups=("storage", "listeners"))
    def serve(**_given: object) -> None:
        """Never run."""

    return read_settings(serve.make_context("serve", []).params)
