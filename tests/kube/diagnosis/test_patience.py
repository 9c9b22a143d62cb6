"""An API server that stops answering on the way: the examination ends soon, and says so."""

import time

from kube.cluster import Cluster
from kube.credentials import Credentials
from kube.diagnosis.doctor import ClusterDoctor
from kube.diagnosis.findings import Cause, Severity
from serving.kubeconfig import ApiServerAccess
from tests.kube.ambient import real_clock
from tests.kube.api_server import Fault


def act(handler):
    if handler.path == "/version":
        handler.answer(200, {"gitVersion": "v1.36.0"})
    else:
        handler.say_nothing()


def test_api_server_that_stops_answering_is_not_waited_for_again_and_again(fake, monkeypatch):
    monkeypatch.setattr("kube.diagnosis.looking.PATIENCE_SECONDS", 2)
    fake.faults.append(Fault(fits=lambda _asked: True, act=act, times=1000))
    cluster = Cluster(Credentials(lambda: ApiServerAccess.open(fake.kubeconfig)), call_seconds=1)
    doctor = ClusterDoctor(cluster=cluster, clock=real_clock, namespace="shop")
    began = time.monotonic()
    try:
        found = [one for examined in doctor.examine() for one in examined.findings]
    finally:
        cluster.close()

    assert time.monotonic() - began < 30
    assert (found[-1].severity, found[-1].cause) == (Severity.PROBLEM, Cause.API_SERVER_UNREACHABLE)
    assert "answered at first and stopped" in found[-1].summary
    assert {one.target for one in found if one.severity is Severity.OK} <= {"clock of the API server"}
