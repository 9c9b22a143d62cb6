"""Settings of the injector: every fault at once."""

import pytest

from kube.admission.settings import InjectorSettings
from kube.errors import KubeSettingsInvalid


def test_image_must_be_named_and_the_rest_has_defaults():
    settings = InjectorSettings.from_mapping({"image": "chancery@sha256:0", "namespace": "chancery"})

    assert settings.server_name == "chancery-injector.chancery.svc"
    assert settings.injection.agent_user == 65532


def test_agents_user_may_be_left_to_the_cluster():
    assert InjectorSettings.from_mapping({"image": "i", "agent_user": ""}).injection.agent_user is None


def test_every_fault_is_told():
    wrong = {
        "http_server": "https://ca:8111/",
        "image_pull_policy": "Sometimes",
        "mode": "daemon",
        "agent_memory_limit": "much",
        "agent_cpu_limit": "-1",
        "service": "Injector",
        "namespace": "a.b",
        "webhook_port": 70000,
        "cluster_domain": "svc",
        "log_format": "xml",
        "log_level": "trace",
        "trust_source": "hope",
        "nonsense": 1,
    }
    with pytest.raises(KubeSettingsInvalid) as refused:
        InjectorSettings.from_mapping(wrong)

    assert all(any(name in fault for fault in refused.value.faults) for name in [*wrong, "image"])


def test_ports_differ():
    with pytest.raises(KubeSettingsInvalid, match="must differ"):
        InjectorSettings.from_mapping({"image": "i", "webhook_port": 9000, "health_port": 9000})


def test_namespace_that_nobody_says_is_a_fault():
    with pytest.raises(KubeSettingsInvalid, match="give --namespace"):
        _ = InjectorSettings.from_mapping({"image": "i"}).server_name
