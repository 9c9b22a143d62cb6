"""What the signers are told by whoever runs them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from certs.names import TrustDomain
from kube.service_names import NameForms
from kube.vocabulary import Signer

PROFILES: Mapping[Signer, str] = {Signer.WORKLOAD: "workload", Signer.SERVING: "server", Signer.CLIENT: "client"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerSettings:
    """`default_lifetime` is given where none is asked for, `maximum_lifetime` is what more is cut to."""

    trust_domain: TrustDomain = field(default_factory=lambda: TrustDomain.parse("cluster.local"))
    forms: NameForms = field(default_factory=NameForms)
    default_lifetime: timedelta = timedelta(hours=24)
    maximum_lifetime: timedelta = timedelta(hours=24)

    def lifetime(self, asked: timedelta | None) -> timedelta:
        return min(self.default_lifetime if asked is None else asked, self.maximum_lifetime)
