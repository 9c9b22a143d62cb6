"""Requests that claim to be of somebody else."""

import pytest

from tests.apiserver.client import WARDLE, flunder

FLUNDERS = f"{WARDLE}/namespaces/identities/flunders"
CLAIMS = [
    {"X-Remote-User": "admin", "X-Remote-Group": "system:masters"},
    {"x-remote-user": "admin", "x-remote-group": "system:masters"},
    {"X-REMOTE-USER": "admin", "X-REMOTE-GROUP": "system:masters"},
    {"X_Remote_User": "admin", "X_Remote_Group": "system:masters"},
    {"X-Remote-Group": "system:masters"},
    {"X-Remote-User": ""},
    {"X-Remote-User": "é", "X-Remote-Group": "system:masters", "X-Remote-Extra-A%00": "x"},
    {"Impersonate-User": "admin", "Impersonate-Group": "system:masters"},
    {"impersonate-user": "admin", "IMPERSONATE-GROUP": "system:masters"},
    {"Impersonate_User": "admin", "Impersonate_Group": "system:masters"},
    {"Authorization": "Bearer x"},
    {"Authorization": "Bearer "},
    {"Authorization": "Basic YWRtaW46YWRtaW4="},
    {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-User": "admin"},
    {},
]


@pytest.fixture(scope="module", params=["nobody", "somebody", "somebody with the proxy's name", "another proxy"])
def impostor(server, request):
    clients = {
        "nobody": lambda: server.client_with(None),
        "somebody": lambda: server.client("eve", "developers"),
        "somebody with the proxy's name": lambda: server.client("front-proxy-client", "developers"),
        "another proxy": lambda: server.client("other", "developers", ca=server.proxy_ca),
    }
    return clients[request.param]()


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: ",".join(claim) or "none")
def test_claims_of_impostors_are_worth_nothing(server, impostor, claim):
    for answer in (
        impostor.get(FLUNDERS, headers=claim),
        impostor.create(FLUNDERS, flunder("forged"), headers=claim),
        impostor.get("/metrics", headers=claim),
        impostor.get("/openapi/v2", headers=claim),
    ):
        assert answer.status in {401, 403}
        assert answer.document["reason"] in {"Unauthorized", "Forbidden"}
        assert b"admin" not in answer.octets or answer.status == 403


def test_headers_with_underscores_do_not_name_the_user_of_the_proxy(server):
    proxy = server.client("front-proxy-client", "x", ca=server.proxy_ca)

    assert proxy.get(FLUNDERS, headers={"X_Remote_User": "admin", "X_Remote_Group": "system:masters"}).status == 401


def test_the_proxys_user_may_not_be_one_with_more_rights_by_other_headers(server):
    proxy = server.client("front-proxy-client", "x", ca=server.proxy_ca)
    claim = {"X-Remote-User": "eve", "X_Remote_Group": "system:masters", "Impersonate-Group": "system:masters"}

    assert proxy.get(FLUNDERS, headers=claim).status in {400, 403}


@pytest.mark.parametrize(
    "headers",
    [
        {"Impersonate-Group": "system:masters"},
        {"Impersonate-Uid": "x"},
        {"Impersonate-Extra-Scopes": "x"},
    ],
    ids=",".join,
)
def test_impersonation_without_a_user_is_refused(server, api, headers):
    assert (api.get(FLUNDERS, headers=headers).status, api.get(FLUNDERS).status) == (400, 200)


NOT_UTF8 = "\xff\xfe"  # sent as Latin-1


@pytest.mark.parametrize(
    "claim",
    [
        {"X-Remote-User": NOT_UTF8},
        {"X-Remote-User": "alice", "X-Remote-Group": NOT_UTF8},
        {"X-Remote-User": "alice", "X-Remote-Extra-A": NOT_UTF8},
    ],
    ids=lambda claim: list(claim)[-1],
)
def test_users_of_the_proxy_whose_names_are_no_text_are_told_so(server, claim):
    proxy = server.client("front-proxy-client", "x", ca=server.proxy_ca)

    answer = proxy.get(FLUNDERS, headers=claim)

    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert "not UTF-8" in answer.message


@pytest.mark.parametrize("name", ["User", "Group", "Uid", "Extra-A"])
def test_nobody_whose_name_is_no_text_can_be_impersonated(api, name):
    answer = api.get(FLUNDERS, headers={"Impersonate-User": "bob", f"Impersonate-{name}": NOT_UTF8})

    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert "not UTF-8" in answer.message


def test_a_token_that_is_no_text_is_nobodys(server):
    nobody = server.client_with(None)

    assert nobody.get(FLUNDERS, headers={"Authorization": f"Bearer {NOT_UTF8}"}).status == 401


@pytest.mark.parametrize(
    "name", ["bob", "system:anonymous", "system:serviceaccount:a", "system:serviceaccount:::", "x" * 8000]
)
def test_whoever_is_impersonated_has_their_own_rights_only(server, api, name):
    assert api.get(FLUNDERS, headers={"Impersonate-User": name}).status == 403


@pytest.mark.parametrize("manager", ["a\r\nX-Evil: 1", "\0", "x" * 129, "\u202e", "\x7f"])
def test_field_managers_that_are_no_names_are_refused(server, api, manager):
    answer = api.apply(f"{FLUNDERS}/managed", flunder("managed"), manager=manager)

    assert (answer.status, answer.reason) == (422, "Invalid")
    assert "X-Evil" not in answer.headers


@pytest.mark.parametrize("agent", ["\xff\xfe", "a\tb", "", "/" * 2000, '"; evil', "x" * 8000])
def test_user_agents_of_any_kind_leave_a_printable_manager(server, api, agent, namespace):
    path = f"{WARDLE}/namespaces/{namespace}/flunders"

    answer = api.create(path, flunder("a"), headers={"User-Agent": agent})

    assert answer.status == 201
    manager = answer.document["metadata"]["managedFields"][0]["manager"]
    assert manager.isprintable()
    assert len(manager) <= 128


@pytest.mark.parametrize("given", ["é", "a b", "x" * 65, "a\tb", "<x>", "-" * 0])
def test_an_audit_id_that_is_none_is_not_repeated(server, api, given):
    assert api.get(FLUNDERS, headers={"Audit-ID": given}).headers["Audit-Id"] != given
