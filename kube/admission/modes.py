"""Which mode a pod gets: the one that it has, the one that it asks for, or the best that cluster and wishes allow."""

from kube.admission.errors import Fault, FeaturesUnknown, InjectionRefused
from kube.admission.features import ClusterFeatures
from kube.admission.names import IDENTITY_VOLUME, STATUS_ANNOTATION, STATUS_PREFIX, Mode, annotation
from kube.admission.ownership import is_memory
from kube.admission.pods import Pod
from kube.admission.settings import Injection, fixed_mode
from kube.admission.wishes import Wishes, field_of

_WITHOUT: dict[Mode, str] = {
    Mode.POD_CERTIFICATE: "the cluster drops podCertificate volumes, or has kubelets that cannot fill them",
    Mode.SIDECAR: "the cluster has no native sidecars, or kubelets before 1.29",
}


def present_mode(pod: Pod) -> Mode | None:
    """The mode in which it was injected before. Annotations are copied from pod to pod: the volume must be there, too."""
    status = pod.annotations.get(STATUS_ANNOTATION)
    if not isinstance(status, str) or pod.volume(IDENTITY_VOLUME) is None:
        return None
    try:
        return Mode(status.removeprefix(STATUS_PREFIX)) if status.startswith(STATUS_PREFIX) else None
    except ValueError:
        return None


def choose_mode(pod: Pod, wishes: Wishes, injection: Injection, features: ClusterFeatures | None) -> Mode:
    """Raises InjectionRefused where the mode that was asked for cannot do it, FeaturesUnknown."""
    wanted = wishes.mode or fixed_mode(injection)
    for_agent = wishes.wants_of_agent
    if wanted is not None:
        if wishes.mode is None and wanted is Mode.POD_CERTIFICATE and for_agent:
            wanted = Mode.SIDECAR
        _verify(wanted, wishes, features)
        return wanted
    if features is None:
        raise FeaturesUnknown("the cluster was not asked yet what it can do; try again")
    own = pod.volume(IDENTITY_VOLUME)
    if features.pod_certificates and not for_agent and not (own is not None and is_memory(own)):
        return Mode.POD_CERTIFICATE
    return Mode.SIDECAR if features.sidecars else Mode.INIT


def _verify(wanted: Mode, wishes: Wishes, features: ClusterFeatures | None) -> None:
    faults = []
    if features is not None and not features.has(wanted):
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
