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
    """`keeps_sidecars` (init containers that go on running) and `keeps_certificates` (volumes that the kubelet fills) are the API
    server's; `oldest_kubelet` is None where there is no node, as in a cluster that has scaled itself down."""

    keeps_sidecars: bool
    keeps_certificates: bool
    oldest_kubelet: KubeletVersion | None

    def can(self, mode: Mode) -> bool:
        """Whether nothing speaks against it. Nodes that are not there yet do not: pods are what brings them."""
        match mode:
            case Mode.POD_CERTIFICATE:
                return self.keeps_certificates and self._is_new(FIRST_WITH_POD_CERTIFICATES)
            case Mode.SIDECAR:
                return self.keeps_sidecars and self._is_new(FIRST_WITH_SIDECARS)
            case Mode.INIT:
                return True

    def best(self, *, with_agent: bool) -> Mode:
        """Of what it can do. On kubelets that nobody has seen, certificates are not counted on."""
        if not with_agent and self.can(Mode.POD_CERTIFICATE) and self.oldest_kubelet is not None:
            return Mode.POD_CERTIFICATE
        return Mode.SIDECAR if self.can(Mode.SIDECAR) else Mode.INIT

    def _is_new(self, first: KubeletVersion) -> bool:
        return self.oldest_kubelet is None or self.oldest_kubelet >= first


def oldest_version(versions: Iterable[str]) -> KubeletVersion | None:
    """Of kubelets, written like `v1.34.2+k3s1`; one that cannot be read counts as older than all. None for no version."""
    return min(map(_parse, versions), default=None)


def _parse(text: str) -> KubeletVersion:
    match = _VERSION.match(text)
    return (int(match[1]), int(match[2])) if match else (0, 0)
