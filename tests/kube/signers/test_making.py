"""The signers as a process has them: by its settings."""

from datetime import timedelta
from typing import Any

import pytest

from kube.collections import Collections
from kube.errors import KubeSettingsInvalid
from kube.metrics import Metrics
from kube.process import Parts
from kube.settings import ControllerSettings
from kube.signers.making import signing_controllers
from tests.kube.ambient import Time, no_entropy
from tests.kube.signers.authority import FakeAuthority


def parts(**settings: Any) -> Parts:
    time, nothing = Time(), None
    unused: Any = nothing
    return Parts(
        settings=ControllerSettings.from_mapping(settings),
        cluster=unused,
        collections=Collections(),
        events=unused,
        metrics=Metrics(),
        authority=unused,
        clock=time.clock,
        monotonic=time.monotonic,
        boottime=time.monotonic,
        entropy=no_entropy,
    )


def test_every_sort_of_request_has_its_controller():
    made = signing_controllers(parts(), FakeAuthority(clock=Time().clock))
    watched = {watch.resource.plural for controller in made for watch in controller.watches()}

    assert len({controller.name for controller in made}) == len(made)
    assert watched == {
        "certificatesigningrequests",
        "podcertificaterequests",
        "certificaterequests",
        "issuers",
        "clusterissuers",
    }


def test_nothing_is_watched_where_the_feature_is_off():
    assert signing_controllers(parts(signing=False)) == ()


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"trust_domain": "Cluster.Local"}, "trust_domain"),
        ({"trust_domain": ""}, "trust_domain"),
        ({"signing_lifetime": "5m"}, "signing_lifetime"),
        ({"signing_max_lifetime": "100d"}, "signing_max_lifetime"),
        ({"signing_lifetime": "2d", "signing_max_lifetime": "1d"}, "signing_lifetime"),
    ],
    ids=str,
)
def test_settings_that_cannot_hold_stop_the_start(settings: dict[str, Any], fault: str):
    with pytest.raises(KubeSettingsInvalid, match=fault):
        ControllerSettings.from_mapping(settings)


def test_lifetimes_may_be_longer_than_a_day():
    settings = ControllerSettings.from_mapping({"signing_lifetime": "48h", "signing_max_lifetime": "90d"}).signers

    assert (settings.signing_lifetime, settings.signing_max_lifetime) == (timedelta(days=2), timedelta(days=90))
