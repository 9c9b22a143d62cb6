"""Audit events: their fields to the letter, and what may never be in one."""

import orjson
import pytest

from apiserver.audit.auditor import Origin
from apiserver.audit.policy import AuditPolicy, Level, Rule, Stage
from apiserver.errors import Conflict, Invalid, Subject
from apiserver.field_errors import required
from apiserver.identity.user import User
from tests.apiserver.audit.requests import ANN, ORIGIN, auditor, path, resource


def everything(level, **others):
    return AuditPolicy(rules=(Rule(level=Level(level)),), **others)


async def one_event(
    level, *, code=200, request=None, response=None, origin=ORIGIN, attributes=None, policy=None, error=None
):
    asked, log = auditor(policy or everything(level, omitted=frozenset({Stage.REQUEST_RECEIVED})))
    audit = await asked.begin(origin, ANN, attributes or resource())
    audit.record.request_object = request
    if error is not None:
        audit.failed(error)
    await audit.tell(Stage.RESPONSE_COMPLETE, code=code, response_object=response)
    (line,) = log.lines
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    return orjson.loads(line)


async def test_an_event_reads_as_kube_apiserver_writes_it():
    asked, log = auditor(everything("Metadata"))
    audit = await asked.begin(ORIGIN, ANN, resource())
    audit.annotate("authorization.k8s.io/decision", "allow")
    audit.annotate("authorization.k8s.io/reason", "")
    await audit.tell(Stage.RESPONSE_COMPLETE, code=200)

    received, complete = log.events
    assert (received["stage"], received["requestReceivedTimestamp"]) == (
        "RequestReceived",
        "2026-11-20T12:00:01.123456Z",
    )
    assert received["stageTimestamp"] == received["requestReceivedTimestamp"]
    assert "responseStatus" not in received
    assert complete == {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": "a-1",
        "stage": "ResponseComplete",
        "requestURI": "/apis/example.com/v1/namespaces/gold/gadgets/a?dryRun=All",
        "verb": "update",
        "user": {
            "username": "ann",
            "uid": "u1",
            "groups": ["dev", "system:authenticated"],
            "extra": {"scopes": ["a", "b"]},
        },
        "sourceIPs": ["10.0.0.1", "127.0.0.1"],
        "userAgent": "kubectl/v1.33",
        "objectRef": {
            "resource": "gadgets",
            "namespace": "gold",
            "name": "a",
            "apiGroup": "example.com",
            "apiVersion": "v1",
        },
        "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": "2026-11-20T12:00:01.123456Z",
        "stageTimestamp": "2026-11-20T12:00:02.123456Z",
        "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""},
    }


async def test_a_path_has_no_object():
    assert "objectRef" not in await one_event("Metadata", attributes=path("/debug/pprof/"))


async def test_a_subresource_is_named():
    event = await one_event("Metadata", attributes=resource(subresource="status"))

    assert event["objectRef"]["subresource"] == "status"


async def test_a_refusal_tells_why():
    subject = Subject(name="a", group="example.com", kind="gadgets")
    event = await one_event("Metadata", code=409, error=Conflict.object(subject))

    assert event["responseStatus"] == {
        "metadata": {},
        "status": "Failure",
        "message": f'Operation cannot be fulfilled on gadgets.example.com "a": {Conflict.MODIFIED}',
        "reason": "Conflict",
        "details": {"name": "a", "group": "example.com", "kind": "gadgets"},
        "code": 409,
    }


async def test_a_refusal_of_a_thousand_fields_is_bounded():
    error = Invalid(Subject(name="a", kind="Gadget"), [required(f"spec.f{number}") for number in range(1000)])
    event = await one_event("Metadata", code=422, error=error)

    assert len(event["responseStatus"]["message"]) < 2100
    assert len(event["responseStatus"]["details"]["causes"]) == 16


async def test_a_panic_is_written_without_its_text():
    asked, log = auditor(everything("Metadata"))
    audit = await asked.begin(ORIGIN, ANN, resource())
    audit.failed(KeyError("secret"))
    await audit.tell(Stage.PANIC, code=500)

    event = log.events[-1]
    assert (event["stage"], event["responseStatus"]["reason"]) == ("Panic", "InternalError")
    assert b"secret" not in log.lines[-1]


async def test_impersonation_tells_both():
    asked, log = auditor(everything("Metadata"))
    audit = await asked.begin(ORIGIN, ANN, resource())
    audit.impersonates(User(name="bob"))
    await audit.tell(Stage.RESPONSE_COMPLETE, code=200)

    assert log.events[-1]["user"]["username"] == "ann"
    assert log.events[-1]["impersonatedUser"] == {"username": "bob"}


@pytest.mark.parametrize(
    ("level", "request_is_there", "response_is_there"),
    [("Metadata", False, False), ("Request", True, False), ("RequestResponse", True, True)],
)
async def test_bodies_are_there_from_their_level_on(level, request_is_there, response_is_there):
    event = await one_event(level, request=b'{"spec": 1}', response=b'{"kind": "Gadget"}')

    assert (event.get("requestObject") == {"spec": 1}) is request_is_there
    assert (event.get("responseObject") == {"kind": "Gadget"}) is response_is_there


async def test_a_body_cannot_forge_an_event_of_its_own():
    forged = b'{"a":\n{"kind":"Event","auditID":"forged"}\n}'

    event = await one_event("Request", request=forged)

    assert event["auditID"] == "a-1"
    assert event["requestObject"] == {"a": {"kind": "Event", "auditID": "forged"}}


@pytest.mark.parametrize(
    "body", [b'{"a": "' + b"x" * (256 << 10) + b'"}', b"a: yaml", b"\xff", b'"text"', b"1"], ids=lambda body: body[:8]
)
async def test_a_body_that_is_too_large_or_no_document_is_left_out_and_said_to_be(body):
    event = await one_event("RequestResponse", request=body, response=body)

    assert "requestObject" not in event
    assert "responseObject" not in event
    assert event["annotations"] == {"audit.k8s.io/truncated": "true"}


async def test_managed_fields_are_left_out_where_the_policy_says_so():
    document = orjson.dumps({"metadata": {"name": "a", "managedFields": [{}]}})
    listed = b'{"kind": "GadgetList", "metadata": {}, "items": [' + document + b", 1]}"
    policy = everything("RequestResponse", omits_managed_fields=True, omitted=frozenset({Stage.REQUEST_RECEIVED}))

    event = await one_event("", policy=policy, request=document, response=listed)

    assert event["requestObject"] == {"metadata": {"name": "a"}}
    assert event["responseObject"]["items"] == [{"metadata": {"name": "a"}}, 1]


@pytest.mark.parametrize(
    "uri",
    ["/apis?access_token=s3cret", "/apis?a=b&token=s3cret&c=d", "/apis?id_Token=s3cret&x=s", "/apis?token=s3cret"],
)
async def test_a_token_in_a_uri_is_masked(uri):
    event = await one_event("Metadata", origin=Origin(audit_id="a", uri=uri, addresses=(), user_agent=""))

    assert "s3cret" not in event["requestURI"]
    assert event["requestURI"].startswith("/apis?")


async def test_addresses_are_addresses():
    addresses = ("unknown", "10.0.0.1", "<script>", "fe80::1", "", "10.0.0.1:80")
    event = await one_event("Metadata", origin=Origin(audit_id="a", uri="/", addresses=addresses, user_agent=""))

    assert event["sourceIPs"] == ["10.0.0.1", "fe80::1"]


async def test_many_addresses_keep_the_last_ones():
    addresses = tuple(f"10.0.0.{number}" for number in range(200))
    event = await one_event("Metadata", origin=Origin(audit_id="a", uri="/", addresses=addresses, user_agent=""))

    assert event["sourceIPs"][-1] == "10.0.0.199"
    assert len(event["sourceIPs"]) == 16


async def test_octets_that_are_no_text_do_not_lose_the_event():
    origin = Origin(audit_id="a", uri="/x?\udcff", addresses=(), user_agent="a\udc80\nb")
    event = await one_event("Metadata", origin=origin)

    assert event["userAgent"] == "a?\nb"
