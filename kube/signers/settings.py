"""What the signers are told by whoever runs them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from certs.names import TrustDomain
from kube.signers.service_names import ServiceName, parse_service_name


class Signer(StrEnum):
    """Names of signers (certificates.k8s.io `spec.signerName`). docs/signers.md says what each stands for."""

    WORKLOAD = "chancery.dev/workload"
    SERVING = "chancery.dev/serving"
    CLIENT = "chancery.dev/client"


PROFILES: Mapping[Signer, str] = {Signer.WORKLOAD: "workload", Signer.SERVING: "server", Signer.CLIENT: "client"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerSettings:
    """`default_lifetime` is given where none is asked for, `maximum_lifetime` is what more is cut to. With `short_names`, a
    Service's name may lack `.svc`."""

    trust_domain: TrustDomain = field(default_factory=lambda: TrustDomain.parse("cluster.local"))
    cluster_domain: str = "cluster.local"
    short_names: bool = True
    default_lifetime: timedelta = timedelta(hours=24)
    maximum_lifetime: timedelta = timedelta(hours=24)

    def lifetime(self, asked: timedelta | None) -> timedelta:
        return min(self.default_lifetime if asked is None else asked, self.maximum_lifetime)

    def service_name(self, name: str, *, namespace: str) -> ServiceName | None:
        """As `parse_service_name` has it."""
        return parse_service_name(
            name, cluster_domain=self.cluster_domain, namespace=namespace, short_names=self.short_names
        )
