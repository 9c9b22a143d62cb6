"""Which modes a cluster can do."""

import pytest

from kube.admission.features import ClusterFeatures, oldest_version
from kube.admission.names import Mode


@pytest.mark.parametrize(
    ("kept", "kubelet", "modes", "best"),
    [
        ((True, True), (1, 36), {"podCertificate", "sidecar", "init"}, "podCertificate"),
        ((True, True), (1, 34), {"sidecar", "init"}, "sidecar"),
        ((True, False), (1, 36), {"sidecar", "init"}, "sidecar"),
        ((True, True), (1, 28), {"init"}, "init"),
        ((False, False), (1, 36), {"init"}, "init"),
        ((True, True), None, {"podCertificate", "sidecar", "init"}, "sidecar"),
    ],
)
def test_features_are_what_the_api_server_keeps_and_the_oldest_kubelet_knows(kept, kubelet, modes, best):
    sidecars, certificates = kept
    features = ClusterFeatures(keeps_sidecars=sidecars, keeps_certificates=certificates, oldest_kubelet=kubelet)

    assert {mode for mode in Mode if features.can(mode)} == modes
    assert features.best(with_agent=False) == best
    assert features.best(with_agent=True) != "podCertificate"


@pytest.mark.parametrize(
    ("versions", "oldest"),
    [
        ([], None),
        (["v1.36.2", "v1.29.0+k3s1", "v1.30.1-eks-123"], (1, 29)),
        (["v1.9.0", "v1.10.0"], (1, 9)),
        (["v1.36.2", "garbage"], (0, 0)),
        (["v1.36.2", ""], (0, 0)),
        (["1.36"], (1, 36)),
    ],
)
def test_oldest_kubelet_is_found_and_one_that_cannot_be_read_is_older_than_all(versions, oldest):
    assert oldest_version(versions) == oldest
