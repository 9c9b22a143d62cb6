"""The edge table: from errors to metav1.Status (code and StatusReason, k8s.io/apimachinery/pkg/api/errors).

- A test walks the subclasses and fails on one without a row. What no row knows is internal, its text withheld.
- A full disk is 503, not kube-apiserver's 500: the caller did nothing wrong, and the same request succeeds once there is room.
  A database that others can write to, or that a newer release has been at, stays so however often a caller comes back: 500.
"""

from collections.abc import Mapping

import orjson

from apiserver import errors
from apiserver.errors import ApiError, Expired, Subject, details_of
from store import errors as storage

JsonStatus = dict[str, object]

_TABLE: Mapping[type[BaseException], tuple[int, str]] = {
    errors.BadRequest: (400, "BadRequest"),
    errors.Unauthorized: (401, "Unauthorized"),
    errors.Forbidden: (403, "Forbidden"),
    errors.NotFound: (404, "NotFound"),
    errors.MethodNotAllowed: (405, "MethodNotAllowed"),
    errors.NotAcceptable: (406, "NotAcceptable"),
    errors.AlreadyExists: (409, "AlreadyExists"),
    errors.Conflict: (409, "Conflict"),
    errors.Expired: (410, "Expired"),
    errors.RequestEntityTooLarge: (413, "RequestEntityTooLarge"),
    errors.UnsupportedMediaType: (415, "UnsupportedMediaType"),
    errors.Invalid: (422, "Invalid"),
    errors.Unprocessable: (422, "Invalid"),
    errors.TooManyRequests: (429, "TooManyRequests"),
    errors.NameTaken: (409, "AlreadyExists"),
    errors.ResourceVersionTooLarge: (504, "Timeout"),
    errors.TimedOut: (504, "Timeout"),
    errors.ServiceUnavailable: (503, "ServiceUnavailable"),
    errors.InternalError: (500, "InternalError"),
    errors.UnexpectedValue: (500, ""),
    errors.StorageReadError: (500, "StorageReadError"),
    errors.ClusterUnreachable: (503, "ServiceUnavailable"),
    errors.KindsInvalid: (500, "InternalError"),
    errors.ApiSettingsInvalid: (500, "InternalError"),
    errors.BackupRefused: (500, "InternalError"),
    storage.StoreUnavailable: (503, "ServiceUnavailable"),
    storage.StoreFull: (503, "ServiceUnavailable"),
    storage.StoreCorrupt: (500, "StorageReadError"),
}

_INTERNAL = "Internal error occurred: the server has logged what happened under the audit id of this request"
_RETRY_AFTER = 1  # seconds, where an error of the store does not say


def status_of(error: BaseException) -> tuple[int, bytes, int]:
    """Code, Status as JSON, and seconds after which to try again (0: no advice)."""
    code, document, retry_after = _status(error)
    return code, orjson.dumps(document, default=str), retry_after


def status_document(error: BaseException) -> JsonStatus:
    """The same Status as a document, for those who show it to somebody else (the audit log)."""
    return _status(error)[1]


def row_of(kind: type[BaseException]) -> tuple[int, str] | None:
    """The row of the nearest class in the table."""
    return next((_TABLE[ancestor] for ancestor in kind.__mro__ if ancestor in _TABLE), None)


def success_status(subject: Subject) -> bytes:
    """What a deletion is answered with."""
    details = {"name": subject.name, "group": subject.group, "kind": subject.kind, "uid": subject.uid}
    return orjson.dumps(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {name: value for name, value in details.items() if value},
        }
    )


def _status(error: BaseException) -> tuple[int, JsonStatus, int]:
    row = row_of(type(error))
    if row is None:
        return 500, _document(500, "InternalError", _INTERNAL, {}), 0
    code, reason = row
    if isinstance(error, ApiError):
        metadata = {"continue": error.continue_token} if isinstance(error, Expired) and error.continue_token else {}
        document = _document(code, reason, error.message, details_of(error), metadata)
        return code, document, error.retry_after
    retry_after = _RETRY_AFTER if code == 503 else 0
    details = {"retryAfterSeconds": retry_after} if retry_after else {}
    return code, _document(code, reason, str(error), details), retry_after


def _document(
    code: int, reason: str, message: str, details: Mapping[str, object], metadata: Mapping[str, object] | None = None
) -> JsonStatus:
    document: JsonStatus = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": dict(metadata or {}),
        "status": "Failure",
        "message": message.encode(errors="replace").decode(),  # what no JSON can say must not hide what went wrong
    }
    if reason:
        document["reason"] = reason
    if details:
        document["details"] = dict(details)
    document["code"] = code
    return document
