"""The controllers of the signers, made from the parts of a process."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from certs.names import TrustDomain
from kube.controllers import Controller
from kube.signers.authority import Authority, RegistrarAuthority
from kube.signers.issuer_controller import IssuerController
from kube.signers.issuer_request_controller import IssuerRequestController
from kube.signers.outcomes import Outcomes
from kube.signers.parts import SignerParts
from kube.signers.pod_controller import PodRequestController
from kube.signers.settings import SignerSettings
from kube.signers.signing_controller import SigningController

if TYPE_CHECKING:
    from kube.process import Parts


def signing_controllers(parts: "Parts", authority: Authority | None = None) -> Sequence[Controller]:
    """None where the feature is off. `authority` is the one of the parts, unless somebody else is to be asked."""
    if not parts.settings.features.signing:
        return ()
    signing = parts.settings.signers
    settings = SignerSettings(
        trust_domain=TrustDomain.parse(signing.trust_domain),
        forms=parts.settings.cluster.name_forms,
        default_lifetime=signing.signing_lifetime,
        maximum_lifetime=signing.signing_max_lifetime,
    )
    for_signers = SignerParts(
        cluster=parts.cluster,
        authority=authority or RegistrarAuthority(parts.authority),
        outcomes=Outcomes(parts.events, parts.metrics.registry),
        settings=settings,
        clock=parts.clock,
    )
    return (
        SigningController(for_signers),
        PodRequestController(for_signers, parts.collections),
        IssuerRequestController(for_signers),
        IssuerController(for_signers),
    )
