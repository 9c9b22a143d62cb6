"""What both servers of a cluster, controller and injector, can be told: groups of settings that theirs are made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from certs.errors import MalformedName
from kube.errors import KubeSettingsInvalid
from kube.service_names import NameForms
from serving.log_settings import LogSettings
from serving.settings import setting

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_VOLUMES = Path("/var/run/secrets/chancery.dev")

HEALTH_PORT = "Its port, plain HTTP. 0: any free port."


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnIdentity:
    """How a process comes by its certificate."""

    identity: Path = setting(
        _VOLUMES / "tls", "Directory of tls.crt, tls.key and ca.crt; followed while others replace them."
    )
    token_file: Path | None = setting(
        None,
        "Service account token, or one-time token, to get that identity with; it is then kept fresh in this process. Empty: "
        "somebody else sees to the directory.",
    )
    bootstrap: Path = setting(
        _VOLUMES / "bootstrap" / "ca.crt", "With token_file: roots by which the authority is believed the first time."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesOfServices:
    """Which names of Services certificates may have."""

    cluster_domain: str = setting(
        "cluster.local",
        "DNS domain of the cluster, below which its Services have their names; the same for controller and injector.",
    )
    short_names: bool = setting(
        True,
        "Whether pods may have names of Services without `.svc`, as in `web.shop`; the same for controller and injector. Off where "
        "policy does not let them be.",
    )

    @property
    def name_forms(self) -> NameForms:
        """Raises MalformedName."""
        return NameForms.of(self.cluster_domain, short_names=self.short_names)

    def name_faults(self) -> Iterator[str]:
        try:
            _ = self.name_forms
        except MalformedName:
            yield f"cluster_domain: {self.cluster_domain!r} cannot be one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observability(LogSettings):
    """What is told. The port is another one for each server."""

    health_address: str = setting("127.0.0.1", "Address of /livez, /readyz and /metrics; `0.0.0.0` or `::` for all.")
    health_port: int = setting(0, HEALTH_PORT)

    def faults(self) -> Iterator[str]:
        if self.health_port > 65535:
            yield f"health_port: {self.health_port} is out of range"
        yield from self.log_faults()


def namespace_of_the_pod() -> str:
    """Raises KubeSettingsInvalid outside of a pod."""
    try:
        return _NAMESPACE_FILE.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise KubeSettingsInvalid(["namespace: this process is in no pod that says it; give --namespace"]) from err
