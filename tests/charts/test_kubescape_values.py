"""docs/kubescape-values.md: every value that somebody comes with is there, and every name that is given for it is a value."""

import json
import re
from pathlib import Path

import pytest

from scripts.document_chart import CHART

PAGE = (Path(__file__).parents[2] / "docs" / "kubescape-values.md").read_text()
PROPERTIES = json.loads((CHART / "values.schema.json").read_text())
COMPONENTS = ("ca", "apiserver", "controller", "injector")
NONE = "none"

_THEIRS = """
global.httpsProxy global.noProxy global.proxySecretName global.networkPolicy.enabled global.networkPolicy.createEgressRules
global.networkPolicy.apiServerIP global.networkPolicy.apiServerPort global.overrideDefaultCaCertificates.enabled
global.extraCaCertificates.enabled global.extraCaCertificates.secretName global.openshift.scc.enabled
customScheduling.affinity customScheduling.nodeSelector customScheduling.tolerations customScheduling.priorityClassName
configurations.persistence configurations.priorityClass.enabled configurations.priorityClass.daemonset configurations.otelUrl
configurations.prometheusAnnotations persistence.storageClass persistence.accessMode persistence.size additionalLabels
additionalAnnotations imagePullSecrets volumes volumeMounts logger.level excludeNamespaces includeNamespaces certificates.strategy
<component>.replicaCount <component>.resources <component>.affinity <component>.nodeSelector <component>.tolerations
<component>.topologySpreadConstraints <component>.podLabels <component>.podAnnotations <component>.env <component>.volumes
<component>.volumeMounts <component>.service.annotations <component>.image.registry <component>.serviceMonitor.enabled
storage.enabled storage.mtls.enabled storage.mtls.certificateValidityInDays storage.serverPort storage.hostNetwork
storage.cleanupInterval storage.queueManagerEnabled storage.defaultQueueLength storage.defaultWorkerCount
storage.defaultMaxObjectSize storage.kindQueues.<kind>.queueLength storage.kindQueues.<kind>.workerCount
storage.kindQueues.<kind>.maxObjectSize schedulers.enabled schedulers.scanSchedule schedulers.successfulJobsHistoryLimit
schedulers.failedJobsHistoryLimit imageScanning.privateRegistries.credentials credentials.cloudSecret kubescapePsp
cloudProviderMetadata account accessKey
"""
THEIRS = _THEIRS.split()


def rows():
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `"):
            yield re.findall(r"`([^`]+)`", cells[0]), cells[1]


def is_value(path: str) -> bool:
    part = PROPERTIES
    for name in path.split("."):
        part = part.get("properties", {}).get(name)
        if part is None:
            return False
    return True


OURS = [
    name.replace("<component>", component)
    for theirs, ours in rows()
    for name in re.findall(r"`([\w.<>]+)`", ours)
    if "." in theirs[0] or ours != NONE
    for component in (COMPONENTS if name.startswith("<component>") else ("",))
]


@pytest.mark.parametrize("theirs", THEIRS)
def test_every_value_is_answered_for(theirs):
    assert theirs in [name for names, _ in rows() for name in names]


@pytest.mark.parametrize("ours", dict.fromkeys(OURS))
def test_every_name_that_is_given_is_a_value(ours):
    assert is_value(ours)


def test_page_names_as_many_as_it_seems():
    """Were rows not found, or their cells, the rest would say nothing."""
    assert len(dict.fromkeys(OURS)) > 80
    assert not is_value("apiserver.settings.max_body")


def test_keys_of_images_and_monitors_are_theirs():
    shapes = PROPERTIES["definitions"]

    assert shapes["imageOverride"]["properties"].keys() == {"registry", "repository", "tag", "digest", "pullPolicy"}
    assert shapes["serviceMonitorOverride"]["properties"].keys() == {
        "enabled",
        "interval",
        "scrapeTimeout",
        "namespace",
        "additionalLabels",
    }
