"""Whatever somebody wrote into a cluster, nothing is raised, and what is said is of the size of a finding."""

from hypothesis import given
from hypothesis import strategies as st

from kube.diagnosis.api_services import word_of
from kube.diagnosis.bundles import Bundle
from kube.diagnosis.distribution import judge_cluster_trust_bundles, judge_config_maps, judge_roots_secret
from kube.diagnosis.event_log import EventLog
from kube.diagnosis.installation import Installation
from kube.diagnosis.leases import judge_lease
from kube.diagnosis.observing import backing_of
from kube.diagnosis.reaching import Observation, judge_target
from kube.diagnosis.releases import judge_releases
from kube.diagnosis.targets import targets_of
from kube.diagnosis.trials import trial_of
from kube.diagnosis.workloads import Around, judge_workload
from tests.kube.diagnosis.made import NOW, Root

ROOT = Root()
KINDS = ("APIService", "CustomResourceDefinition", "MutatingWebhookConfiguration")
NAMES = st.sampled_from(
    [
        *(
            "apiVersion",
            "kind",
            "metadata",
            "name",
            "namespace",
            "labels",
            "annotations",
            "owner",
            "version",
            "status",
            "spec",
        ),
        *(
            "webhooks",
            "clientConfig",
            "url",
            "service",
            "port",
            "caBundle",
            "conversion",
            "webhook",
            "strategy",
            "conditions",
        ),
        *(
            "type",
            "reason",
            "message",
            "data",
            "ca.crt",
            "trustBundle",
            "holderIdentity",
            "renewTime",
            "endpoints",
            "ports",
        ),
        *(
            "leaseDurationSeconds",
            "replicas",
            "template",
            "selector",
            "matchLabels",
            "volumes",
            "env",
            "rules",
            "containers",
        ),
        "volumeClaimTemplates",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["Webhook", "Available", "helm", "7"])
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=25
)
DOCUMENTS = st.dictionaries(NAMES, JSON, max_size=6)


@given(document=DOCUMENTS, other=DOCUMENTS)
def test_no_document_raises(document, other):
    for kind in KINDS:
        for target in targets_of(kind, document):
            observation = Observation(target=target, backing=backing_of([other]), word=word_of(other))
            assert judge_target(observation, ROOT.bundle, at=NOW)
    log = EventLog(events=[other, {"involvedObject": {"uid": "7"}, "message": "any", **other}])
    assert judge_workload(document, Around(pods=[other], replica_sets=[other], claims={"a": other}, log=log))
    log.last({"metadata": {"uid": "7"}}, warnings_alone=False)
    assert judge_lease("l", document, at=NOW)
    assert judge_roots_secret("s", document, at=NOW)
    assert judge_config_maps([document], frozenset({"a"}), ROOT.bundle)
    list(judge_cluster_trust_bundles([document], ROOT.bundle))
    list(judge_releases([document, other], frozenset(), namespace="shop"))
    trial_of(document, [other])
    installation = Installation(namespace="a", workloads=[document, other])
    assert installation.roots_secret is not None
    assert list(installation.accounts) is not None


@given(value=JSON)
def test_no_bundle_raises(value):
    for bundle in (Bundle.from_base64(value), Bundle.from_text(value)):
        assert bundle.fault or not bundle.certificates
