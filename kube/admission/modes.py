"""Which mode a pod gets: the one that it has, the one that it asks for, or the best that cluster and wishes allow."""

from kube.admission.errors import Fault, FeaturesUnknown, InjectionRefused
from kube.admission.features import ClusterFeatures
from kube.admission.names import IDENTITY_VOLUME, STATUS_PREFIX, Mode
from kube.admission.ownership import is_memory
from kube.admission.pods import Pod
from kube.admission.settings import Injection, fixed_mode
from kube.admission.wishes import Wishes, field_of
from kube.vocabulary import INJECTED_ANNOTATION, annotation

_WITHOUT: dict[Mode, str] = {
    Mode.POD_CERTIFICATE: "the cluster drops podCertificate volumes, or has kubelets that cannot fill them",
    Mode.SIDECAR: "the cluster has no native sidecars, or kubelets before 1.29",
}


def present_mode(pod: Pod) -> Mode | None:
    """The mode in which it was injected before. Annotations are copied from pod to pod: the volume must be there, too."""
    status = pod.annotations.get(INJECTED_ANNOTATION)
    if not isinstance(status, str) or pod.volume(IDENTITY_VOLUME) is None:
        return None
    try:
        return Mode(status.removeprefix(STATUS_PREFIX)) if status.startswith(STATUS_PREFIX) else None
    except ValueError:
        return None


def choose_mode(pod: Pod, wishes: Wishes, injection: Injection, features: ClusterFeatures | None) -> Mode:
    """The operator's choice is taken as it is; the pod owner's only where the cluster can do it.

    Raises InjectionRefused, FeaturesUnknown.
    """
    for_agent, fixed = wishes.wants_of_agent, fixed_mode(injection)
    if wishes.mode is not None:
        _verify(wishes.mode, wishes, None if wishes.mode is fixed else features)
        return wishes.mode
    if fixed is not None:
        return Mode.SIDECAR if fixed is Mode.POD_CERTIFICATE and for_agent else fixed
    if features is None:
        raise FeaturesUnknown("the cluster was not asked yet what it can do; try again")
    own = pod.volume(IDENTITY_VOLUME)
    return features.best(with_agent=bool(for_agent) or (own is not None and is_memory(own)))


def _verify(wanted: Mode, wishes: Wishes, features: ClusterFeatures | None) -> None:
    faults = []
    if features is not None and not features.can(wanted):
        message = f"{annotation('mode')}: {wanted}: {_WITHOUT[wanted]}"
        faults.append(Fault(reason="MODE_NOT_SUPPORTED", field=field_of("mode"), message=message))
    if wanted is Mode.POD_CERTIFICATE:
        faults += [
            Fault(
                reason="NEEDS_AGENT",
                field=field_of(name),
                message=f"{annotation(name)}: a certificate that the kubelet asks for cannot have that; choose the mode sidecar",
            )
            for name in wishes.wants_of_agent
        ]
    if faults:
        raise InjectionRefused(faults)
