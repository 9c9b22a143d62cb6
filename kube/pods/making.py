"""The controller of pods, made from the parts of a process."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kube.controllers import Controller
from kube.pods.authority import FollowedPodAuthority
from kube.pods.controller import PodController

if TYPE_CHECKING:
    from kube.process import Parts


def pod_controllers(parts: "Parts") -> Sequence[Controller]:
    """None where the feature is off."""
    if not parts.settings.features.pods:
        return ()
    controller = PodController(
        cluster=parts.cluster,
        collections=parts.collections,
        authority=FollowedPodAuthority(parts.authority),
        events=parts.events,
        monotonic=parts.boottime,
        forms=parts.settings.cluster.name_forms,
    )
    return (controller,)
