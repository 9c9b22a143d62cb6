"""Who gets in: client certificates, front proxies, nobody."""

import json
import ssl
from datetime import timedelta

import trustme

from apiserver.identity.trust import CaBundle
from tests.apiserver.client import WARDLE, ApiClient, eventually, flunder
from tests.apiserver.server import running_api_server, serving_pair


def test_master_gets_in(server):
    assert server.client("development", "system:masters").get(f"{WARDLE}/flunders").status == 200


def test_any_other_identity_is_forbidden(server):
    answer = server.client("bob", "developers").get(f"{WARDLE}/namespaces/gold/flunders")

    assert (answer.status, answer.reason) == (403, "Forbidden")
    assert answer.message == (
        'flunders.wardle.example.com is forbidden: User "bob" cannot list resource "flunders" in API group '
        '"wardle.example.com" in the namespace "gold"'
    )


def test_nobody_is_unauthorized(server):
    answer = server.client_with(None).get(f"{WARDLE}/flunders")

    assert (answer.status, answer.reason, answer.message) == (401, "Unauthorized", "Unauthorized")


def test_token_that_nobody_can_judge_is_unauthorized(server):
    client = server.client_with(None, headers={"Authorization": "Bearer secret"})

    assert client.get(f"{WARDLE}/flunders").status == 401


def test_front_proxy_speaks_for_others(server):
    headers = {"X-Remote-User": "alice", "X-Remote-Group": "system:masters"}
    proxy = server.client_with(server.proxy_ca.issue_cert(common_name="front-proxy-client"), headers=headers)

    assert proxy.get(f"{WARDLE}/flunders").status == 200


def test_front_proxy_of_another_name_is_nobody(server):
    headers = {"X-Remote-User": "alice", "X-Remote-Group": "system:masters"}
    proxy = server.client_with(server.proxy_ca.issue_cert(common_name="somebody"), headers=headers)

    assert proxy.get(f"{WARDLE}/flunders").status == 401


def test_forged_headers_of_a_client_are_ignored(server):
    headers = {"X-Remote-User": "alice", "X-Remote-Group": "system:masters"}
    answer = server.client("bob", "developers", headers=headers).get(f"{WARDLE}/flunders")

    assert answer.status == 403
    assert 'User "bob"' in answer.message


def test_forged_headers_of_nobody_are_ignored(server):
    client = server.client_with(None, headers={"X-Remote-User": "alice", "X-Remote-Group": "system:masters"})

    assert client.get(f"{WARDLE}/flunders").status == 401


def test_certificate_that_expires_on_an_open_connection_is_refused(server):
    client = server.client()
    before = client.get(f"{WARDLE}/flunders").status
    centuries = timedelta(days=365 * 1000)
    server.clock.advance(centuries)
    try:
        after = client.get(f"{WARDLE}/flunders").status
    finally:
        server.clock.advance(-centuries)

    assert (before, after) == (200, 401)


def test_certificate_whose_ca_is_no_longer_trusted_is_refused_at_once(tmp_path):
    with running_api_server(tmp_path / "data") as server:
        former, other = server.client(), trustme.CA()
        before = former.get(f"{WARDLE}/flunders").status
        server.trust.set_client_ca(CaBundle.from_pem(other.cert_pem.bytes()))
        after = former.get(f"{WARDLE}/flunders").status
        newcomer = server.client(ca=other).get(f"{WARDLE}/flunders").status

    assert (before, after, newcomer) == (200, 401, 200)


def test_renewed_serving_certificate_is_served_while_a_watch_stays_open(server, api):
    start = api.get(f"{WARDLE}/flunders").document["metadata"]["resourceVersion"]
    renewed = trustme.CA()
    with api.watch(f"{WARDLE}/namespaces/reload/flunders", resourceVersion=start) as watch:
        former = server.tls.pair
        server.tls.use(serving_pair(renewed))
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            renewed.configure_trust(context)
            server.client_ca.issue_cert(common_name="m", organization_name="system:masters").configure_cert(context)
            newcomer = ApiClient(server.url, context)
            created = newcomer.create(f"{WARDLE}/namespaces/reload/flunders", flunder("a"))
            event = watch.next()
            newcomer.close()
        finally:
            server.tls.use(former)

    assert created.status == 201
    assert event["object"]["metadata"]["name"] == "a"


def test_health_is_open_to_everybody(server):
    nobody = server.client_with(None)

    assert nobody.get("/readyz").octets == b"ok"
    verbose = nobody.get("/readyz", verbose="").octets.decode()
    assert verbose.splitlines()[0] == "[+]ping ok"
    assert verbose.endswith("readyz check passed\n")
    assert nobody.get("/livez/ping").octets == b"ok"
    assert nobody.get("/livez/nothing").status == 404
    assert "[+]log excluded: ok" in nobody.get("/readyz", verbose="", exclude="log").octets.decode()


def test_metrics_and_profiles_are_for_masters(server, api):
    bob = server.client("bob", "developers")

    assert (bob.get("/metrics").status, bob.get("/debug/pprof/").status) == (403, 403)
    metrics = api.get("/metrics").octets.decode()
    assert "apiserver_request_total{" in metrics
    assert "apiserver_resource_objects{" in metrics
    assert api.get("/debug/pprof/profile", seconds="0.2").octets[:2] == b"\x1f\x8b"
    assert api.get("/debug/pprof/heap", seconds="0.1").octets[:2] == b"\x1f\x8b"
    assert b"MainThread" in api.get("/debug/pprof/goroutine", debug="2").octets
    assert api.get("/debug/pprof/profile", seconds="x").status == 400


def test_master_may_act_as_somebody_else(api):
    as_bob = api.get(f"{WARDLE}/flunders", headers={"Impersonate-User": "bob"})
    as_master = api.get(
        f"{WARDLE}/flunders", headers={"Impersonate-User": "bob", "Impersonate-Group": "system:masters"}
    )
    as_nobody = api.get(f"{WARDLE}/flunders", headers={"Impersonate-Group": "system:masters"})

    assert (as_bob.status, as_master.status, as_nobody.status) == (403, 200, 400)
    assert 'User "bob"' in as_bob.message


def test_nobody_else_may_act_as_somebody_else(server):
    bob = server.client(
        "bob", "developers", headers={"Impersonate-User": "alice", "Impersonate-Group": "system:masters"}
    )

    answer = bob.get(f"{WARDLE}/flunders")

    assert answer.status == 403
    assert 'User "bob" cannot impersonate resource "users"' in answer.message


def test_requests_are_written_down_without_their_bodies(server, api):
    api.create(f"{WARDLE}/namespaces/audited/flunders", flunder("a"), headers={"Audit-ID": "audit-test-1"})

    def events():
        lines = (server.directory / "audit.log").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["auditID"] == "audit-test-1"]

    eventually(lambda: len(events()) == 1)
    (event,) = events()
    assert (event["stage"], event["level"], event["verb"]) == ("ResponseComplete", "Metadata", "create")
    assert event["user"]["username"] == "development"
    assert event["objectRef"]["namespace"] == "audited"
    assert event["responseStatus"]["code"] == 201
    assert "requestObject" not in event
