"""What a cluster can do for an identity, and which mode follows from it.

- What the API server keeps of a dry run decides, and the oldest kubelet: neither's version alone. With a feature gate off the
  API server answers 201 and drops the field.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from kube.admission.names import Mode

FIRST_WITH_SIDECARS = (1, 29)
FIRST_WITH_POD_CERTIFICATES = (1, 35)

_VERSION = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:[.+-]|$)")

KubeletVersion = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFeatures:
    """`sidecars`: init containers that go on running. `pod_certificates`: certificates that the kubelet itself asks for."""

    sidecars: bool
    pod_certificates: bool

    @classmethod
    def from_findings(
        cls, *, sidecars: bool, pod_certificates: bool, oldest_kubelet: KubeletVersion | None
    ) -> "ClusterFeatures":
        """The arguments say what the API server keeps. Without any node, only what needs no new kubelet is counted on."""
        return cls(
            sidecars=sidecars and (oldest_kubelet is None or oldest_kubelet >= FIRST_WITH_SIDECARS),
            pod_certificates=pod_certificates
            and oldest_kubelet is not None
            and oldest_kubelet >= FIRST_WITH_POD_CERTIFICATES,
        )

    def has(self, mode: Mode) -> bool:
        match mode:
            case Mode.POD_CERTIFICATE:
                return self.pod_certificates
            case Mode.SIDECAR:
                return self.sidecars
            case Mode.INIT:
                return True


def oldest_version(versions: Iterable[str]) -> KubeletVersion | None:
    """Of kubelets, written like `v1.34.2+k3s1`; one that cannot be read counts as older than all. None for no version."""
    return min(map(_parse, versions), default=None)


def _parse(text: str) -> KubeletVersion:
    match = _VERSION.match(text)
    return (int(match[1]), int(match[2])) if match else (0, 0)
