"""The edge table: every error has its Status, word for word where clients parse it."""

import orjson
import pytest

from apiserver import errors
from apiserver.errors import Subject
from apiserver.field_errors import Cause, required
from apiserver.statuses import row_of, status_document, status_of, success_status
from store import errors as storage

GROUPS = {  # inner nodes of the tree: nobody raises them
    errors.ApiError,
    errors.CallerFault,
    errors.Retryable,
    errors.ServerFault,
}
INTERNAL_TO_A_CALLER = {  # of the store: never the doing of one request, so told as internal, without their text
    storage.StoreError,
    storage.StorageFault,
    storage.StoreExposed,
    storage.SchemaTooNew,
    storage.UnsupportedDatabase,
    storage.NotFound,
    storage.AlreadyExists,
    storage.DuplicateSerial,
    storage.IssuerRetired,
    storage.AlreadyRevoked,
    storage.TokenSpent,
    storage.TokenExpired,
    storage.CredentialReused,
    storage.PodReleased,
    storage.PodMismatch,
    storage.NamesNotRegistered,
    storage.NotByItsHolder,
    storage.InvalidPageToken,
    storage.AuditChainBroken,
}
GADGET = Subject(name="a", group="example.com", kind="gadgets")


def subclasses(root):
    yield root
    for child in root.__subclasses__():
        yield from subclasses(child)


@pytest.mark.parametrize("kind", sorted(set(subclasses(errors.ApiError)) - GROUPS, key=lambda kind: kind.__name__))
def test_every_error_of_ours_has_a_row(kind):
    assert row_of(kind) is not None


def test_every_error_of_the_store_is_decided_upon():
    of_the_store = {kind for kind in subclasses(storage.StoreError) if kind.__module__ == "store.errors"}

    undecided = {kind for kind in of_the_store if row_of(kind) is None} - INTERNAL_TO_A_CALLER

    assert not undecided


def test_what_no_json_can_say_does_not_hide_what_went_wrong():
    code, octets, _ = status_of(errors.BadRequest("\udcff is no name"))

    assert (code, orjson.loads(octets)["message"]) == (400, "? is no name")


def test_inner_nodes_have_no_row():
    assert all(row_of(kind) is None for kind in GROUPS | INTERNAL_TO_A_CALLER)


def test_a_missing_object_reads_as_kube_apiserver_says_it():
    code, octets, retry_after = status_of(errors.NotFound.object(GADGET))

    assert (code, retry_after) == (404, 0)
    assert octets == (
        b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
        b'"message":"gadgets.example.com \\"a\\" not found","reason":"NotFound",'
        b'"details":{"name":"a","group":"example.com","kind":"gadgets"},"code":404}'
    )


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (errors.BadRequest("x"), 400, "BadRequest"),
        (errors.Unauthorized(), 401, "Unauthorized"),
        (errors.Forbidden("x"), 403, "Forbidden"),
        (errors.MethodNotAllowed("x"), 405, "MethodNotAllowed"),
        (errors.NotAcceptable(["application/json"]), 406, "NotAcceptable"),
        (errors.AlreadyExists.object(GADGET), 409, "AlreadyExists"),
        (errors.NameTaken("x"), 409, "AlreadyExists"),
        (errors.ApplyConflict("x"), 409, "Conflict"),
        (errors.Expired("x"), 410, "Expired"),
        (errors.RequestEntityTooLarge(1), 413, "RequestEntityTooLarge"),
        (errors.UnsupportedMediaType(["application/json"]), 415, "UnsupportedMediaType"),
        (errors.Invalid(GADGET, [required("spec")]), 422, "Invalid"),
        (errors.TooManyRequests(), 429, "TooManyRequests"),
        (errors.InternalError("x"), 500, "InternalError"),
        (errors.StorageReadError("x"), 500, "StorageReadError"),
        (storage.StoreCorrupt("x"), 500, "StorageReadError"),
        (storage.StoreUnavailable("x"), 503, "ServiceUnavailable"),
        (storage.StoreFull("x"), 503, "ServiceUnavailable"),
        (errors.ServiceUnavailable("x"), 503, "ServiceUnavailable"),
        (errors.TimedOut("x"), 504, "Timeout"),
        (errors.ResourceVersionTooLarge(asked=9, current=1), 504, "Timeout"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_codes_and_reasons_are_those_of_kubernetes(error, code, reason):
    document = status_document(error)

    assert (document["code"], document["reason"]) == (code, reason)
    assert orjson.loads(status_of(error)[1]) == document


def test_an_unexpected_value_has_no_reason():
    document = status_document(errors.UnexpectedValue("strict decoding error"))

    assert document["code"] == 500
    assert "reason" not in document


def test_an_expired_list_tells_how_to_go_on():
    document = status_document(errors.Expired("too old", continue_token="abc"))

    assert document["metadata"] == {"continue": "abc"}


def test_an_expired_watch_tells_no_token():
    assert status_document(errors.Expired("too old"))["metadata"] == {}


def test_causes_are_told():
    error = errors.ApplyConflict("x", causes=[Cause(reason="FieldManagerConflict", message="m", field=".spec.a")])

    assert status_document(error)["details"] == {
        "causes": [{"reason": "FieldManagerConflict", "message": "m", "field": ".spec.a"}]
    }


@pytest.mark.parametrize("error", [errors.TooManyRequests(), storage.StoreUnavailable("x"), storage.StoreFull("x")])
def test_who_may_come_back_is_told_when(error):
    _, octets, retry_after = status_of(error)

    assert retry_after == 1
    assert orjson.loads(octets)["details"]["retryAfterSeconds"] == 1


@pytest.mark.parametrize("error", [KeyError("secret"), storage.StoreExposed("/secret"), storage.StoreError("secret")])
def test_what_nobody_foresaw_is_told_without_its_text(error):
    code, octets, retry_after = status_of(error)

    assert (code, retry_after) == (500, 0)
    assert b"secret" not in octets
    assert orjson.loads(octets)["reason"] == "InternalError"


def test_a_deletion_is_answered_with_what_was_deleted():
    octets = success_status(Subject(name="z1", group="example.com", kind="gadgets", uid="u"))

    assert octets == (
        b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success",'
        b'"details":{"name":"z1","group":"example.com","kind":"gadgets","uid":"u"}}'
    )
