"""Who brings the trust bundle into the cluster, made from the parts of a process: see `kube.trust` and `kube.injection`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kube.controllers import Controller
from kube.injection.controller import InjectionController
from kube.trust.authority import FollowedTrust, TrustSource
from kube.trust.cluster_trust_bundle_controller import ClusterTrustBundleController
from kube.trust.config_map_controller import ConfigMapController
from kube.trust.controller import TrustController
from kube.trust.current import CurrentRoots
from kube.trust.metrics import TrustMetrics
from kube.trust.opting_in import OptingIn
from kube.trust.publishing import PublisherParts, Reporter

if TYPE_CHECKING:
    from kube.process import Parts


def trust_controllers(parts: "Parts", source: TrustSource | None = None) -> Sequence[Controller]:
    """None where both injection and trust are off. `source` is the authority, unless somebody else is to be asked."""
    features, settings = parts.settings.features, parts.settings.distribution
    reporter = Reporter(events=parts.events, metrics=TrustMetrics(parts.metrics.registry))
    for_publishers = PublisherParts(
        cluster=parts.cluster, collections=parts.collections, roots=CurrentRoots(), reporter=reporter
    )
    publishers: list[InjectionController | ConfigMapController | ClusterTrustBundleController] = []
    if features.injection:
        publishers += [InjectionController(for_publishers, propagation=settings.ca_bundle_propagation)]
    if features.trust:
        publishers += [
            ConfigMapController(
                for_publishers,
                opting_in=OptingIn(listed=frozenset(settings.trust_namespaces), by_label=settings.trust_by_label),
                propagation=settings.config_map_propagation,
            ),
            ClusterTrustBundleController(
                for_publishers, propagation=settings.cluster_trust_bundle_propagation, boottime=parts.boottime
            ),
        ]
    if not publishers:
        return ()
    follower = TrustController(
        source or FollowedTrust(parts.authority),
        publishers,
        for_publishers.roots,
        reporter,
        look_every=settings.trust_interval,
        verify_leading=parts.cluster.verify_leading,
        clock=parts.clock,
        boottime=parts.boottime,
    )
    return (*publishers, follower)
