"""What the cluster is asked, and what becomes of its answers."""

from typing import Any, cast

import pytest

from kube.admission.features import ClusterFeatures
from kube.admission.probe import FeatureProbe, probe
from kube.cluster import Cluster
from kube.errors import ClusterUnreachable, Forbidden, KubeError, NotThere, Refused
from tests.kube.admission.pods_for_tests import INJECTION


class Answering:
    """A cluster that says what the test says, and remembers what it was asked. Nodes come in pages of two."""

    def __init__(
        self, *kubelets: str, certificates: bool = True, drops: str = "", nodes_error: KubeError | None = None
    ):
        self.kubelets = kubelets
        self.certificates = certificates
        self.drops = drops
        self.nodes_error = nodes_error
        self.created: list[tuple[str, Any]] = []

    def get(self, path: str, query: dict[str, str] | None = None) -> Any:
        if path.startswith("/apis/certificates.k8s.io"):
            if path.endswith("v1"):
                raise NotThere("not before 1.37")
            names = [{"name": "podcertificaterequests"}] if self.certificates else []
            return {"kind": "APIResourceList", "resources": names}
        assert path == "/api/v1/nodes"
        if self.nodes_error is not None:
            raise self.nodes_error
        start = int((query or {}).get("continue", "0"))
        items = [{"status": {"nodeInfo": {"kubeletVersion": one}}} for one in self.kubelets[start : start + 2]]
        more = {"continue": str(start + 2)} if start + 2 < len(self.kubelets) else {}
        return {"metadata": more, "items": items}

    def create(self, path: str, document: Any, query: dict[str, str] | None = None) -> Any:
        self.created.append((path, query))
        if self.drops == "everything":
            raise Refused("no such field")
        spec = document["template"]["spec"]
        for container in spec.get("initContainers", []):
            if self.drops == "restartPolicy":
                del container["restartPolicy"]
        for volume in spec.get("volumes", []):
            if self.drops == "podCertificate":
                volume["projected"]["sources"][0] = {}
        return document


def asked(cluster: Answering) -> ClusterFeatures:
    return probe(cast("Cluster", cluster), namespace="chancery", injection=INJECTION)


def test_dry_runs_are_of_templates_and_change_nothing():
    cluster = Answering("v1.36.0")
    asked(cluster)

    assert (
        cluster.created
        == [("/api/v1/namespaces/chancery/podtemplates", {"dryRun": "All", "fieldValidation": "Ignore"})] * 2
    )


def test_oldest_node_counts_also_on_the_last_page():
    assert asked(Answering("v1.36.0", "v1.36.0", "v1.36.0", "v1.28.3")).oldest_kubelet == (1, 28)


@pytest.mark.parametrize(
    ("cluster", "best"),
    [
        (Answering("v1.36.0"), "podCertificate"),
        (Answering("v1.36.0", certificates=False), "sidecar"),
        (Answering("v1.36.0", drops="podCertificate"), "sidecar"),
        (Answering("v1.36.0", drops="restartPolicy"), "podCertificate"),
        (Answering("v1.36.0", drops="everything"), "init"),
        (Answering("v1.36.0", nodes_error=Forbidden("no")), "sidecar"),
        (Answering(), "sidecar"),
        (Answering(""), "sidecar"),
        (Answering("", "v1.36.0"), "podCertificate"),
    ],
)
def test_what_the_api_server_drops_is_not_used(cluster, best):
    assert asked(cluster).best(with_agent=False) == best


def test_cluster_that_does_not_say_is_no_cluster_without_nodes():
    with pytest.raises(ClusterUnreachable):
        asked(Answering(nodes_error=ClusterUnreachable("away")))


class Line:
    """Answers of a cluster, one after the other, and the pauses between them."""

    def __init__(self, *answers: ClusterFeatures | KubeError) -> None:
        self.answers = list(answers)
        self.pauses: list[float] = []
        self.told: list[ClusterFeatures] = []

    def ask(self) -> ClusterFeatures:
        answer = self.answers.pop(0)
        if isinstance(answer, KubeError):
            raise answer
        return answer

    def run(self) -> FeatureProbe:
        probe = FeatureProbe(self.ask, pause=self._pause, told=self.told.append)
        probe.run()
        return probe

    def _pause(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        return not self.answers


def features(minor: int) -> ClusterFeatures:
    return ClusterFeatures(keeps_sidecars=True, keeps_certificates=True, oldest_kubelet=(1, minor))


AWAY = ClusterUnreachable("away")


def test_cluster_that_is_away_is_asked_again_ever_more_rarely():
    line = Line(AWAY, AWAY, AWAY, features(36))

    assert line.run().features == features(36)
    assert line.pauses == [1, 2, 4, 600]


def test_what_was_found_stays_while_the_cluster_is_away_and_news_are_told_once():
    line = Line(features(36), AWAY, features(36), features(28))

    assert line.run().features == features(28)
    assert line.told == [features(36), features(28)]
