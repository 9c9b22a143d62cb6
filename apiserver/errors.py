"""What can go wrong in the storage API, split by whose fault it is.

    ApiError
    ├── CallerFault                        the request's
    │   ├── BadRequest
    │   ├── Unauthorized    Forbidden
    │   ├── NotFound    MethodNotAllowed    NotAcceptable    UnsupportedMediaType
    │   ├── AlreadyExists    Conflict    ApplyConflict
    │   ├── Expired                        the resourceVersion or continue token is too old
    │   ├── RequestEntityTooLarge
    │   └── Invalid                        fields, listed
    ├── Retryable                          the same request may succeed later
    │   ├── TooManyRequests    NameTaken
    │   ├── ResourceVersionTooLarge
    │   ├── TimedOut
    │   └── ServiceUnavailable
    ├── ServerFault                        ours
    │   ├── InternalError                  with a text for the caller
    │   └── StorageReadError
    ├── KindsInvalid                       the operator's: manifests, with every fault
    ├── ApiSettingsInvalid                 the operator's: settings, with every fault
    ├── BackupRefused                      the operator's: nothing was backed up or restored
    └── ClusterUnreachable                 the API server that we delegate to does not answer

- Messages are those of kube-apiserver where clients parse them. Nothing here knows HTTP: `apiserver.statuses` has the table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from apiserver.field_errors import Cause, FieldError


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a Status is about (metav1.StatusDetails): `kind` is the plural resource name, or the Kind where a body was refused."""

    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""

    @property
    def qualified(self) -> str:
        """`policyreports.wgpolicyk8s.io`, as messages name a resource (schema.GroupResource.String)."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


class ApiError(Exception):
    """The root. `reason` is stable; `subject` and `causes` become the details of a Status."""

    reason: ClassVar[str] = "API_ERROR"

    def __init__(
        self, message: str, *, subject: Subject | None = None, causes: Sequence[Cause] = (), retry_after: int = 0
    ) -> None:
        """`retry_after` is in seconds; 0: no advice."""
        super().__init__(message)
        self.message = message
        self.subject = subject
        self.causes = tuple(causes)
        self.retry_after = retry_after


class CallerFault(ApiError):
    reason = "CALLER_FAULT"


class BadRequest(CallerFault):
    reason = "BAD_REQUEST"


class Unauthorized(CallerFault):
    reason = "UNAUTHORIZED"

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class Forbidden(CallerFault):
    reason = "FORBIDDEN"


class NotFound(CallerFault):
    reason = "NOT_FOUND"

    @classmethod
    def object(cls, subject: Subject) -> "NotFound":
        return cls(f'{subject.qualified} "{subject.name}" not found', subject=subject)

    @classmethod
    def path(cls) -> "NotFound":
        return cls("the server could not find the requested resource")


class MethodNotAllowed(CallerFault):
    """`methods` are those that would have been allowed."""

    reason = "METHOD_NOT_ALLOWED"

    def __init__(self, methods: Sequence[str]) -> None:
        super().__init__("the server does not allow this method on the requested resource")
        self.methods = tuple(methods)


class NotAcceptable(CallerFault):
    """`media_types` are those that would have been acceptable."""

    reason = "NOT_ACCEPTABLE"

    def __init__(self, media_types: Sequence[str]) -> None:
        super().__init__(f"only the following media types are accepted: {', '.join(media_types)}")


class UnsupportedMediaType(CallerFault):
    reason = "UNSUPPORTED_MEDIA_TYPE"

    def __init__(self, media_types: Sequence[str]) -> None:
        accepted = ", ".join(media_types)
        super().__init__(f"the body of the request was in an unknown format - accepted media types include: {accepted}")


class AlreadyExists(CallerFault):
    reason = "ALREADY_EXISTS"

    @classmethod
    def object(cls, subject: Subject) -> "AlreadyExists":
        return cls(f'{subject.qualified} "{subject.name}" already exists', subject=subject)

    @classmethod
    def terminating(cls, subject: Subject) -> "AlreadyExists":
        message = f'object is being deleted: {subject.qualified} "{subject.name}" already exists'
        return cls(message, subject=subject)


class Conflict(CallerFault):
    reason = "CONFLICT"

    MODIFIED: ClassVar[str] = (
        "the object has been modified; please apply your changes to the latest version and try again"
    )

    @classmethod
    def object(cls, subject: Subject, why: str = MODIFIED) -> "Conflict":
        message = f'Operation cannot be fulfilled on {subject.qualified} "{subject.name}": {why}'
        return cls(message, subject=subject)


class ApplyConflict(Conflict):
    """Server-side apply would take fields from other managers; one cause for each."""

    reason = "APPLY_CONFLICT"


class Expired(CallerFault):
    """`continue_token`, where there is one, goes on with the list at the present revision."""

    reason = "EXPIRED"

    def __init__(self, message: str, *, continue_token: str = "") -> None:
        super().__init__(message)
        self.continue_token = continue_token


class RequestEntityTooLarge(CallerFault):
    reason = "REQUEST_ENTITY_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        """`limit` is in octets."""
        super().__init__(f"Request entity too large: limit is {limit}")
        self.limit = limit

    @classmethod
    def because(cls, why: str, *, limit: int) -> "RequestEntityTooLarge":
        """For a limit of another unit than octets."""
        error = cls(limit)
        error.message = f"Request entity too large: {why}"
        error.args = (error.message,)
        return error


class Invalid(CallerFault):
    """Fields of an object or of options; `errors` are all that are wrong."""

    reason = "INVALID"

    def __init__(self, subject: Subject, errors: Sequence[FieldError]) -> None:
        """`subject.kind` is the Kind here, as kube-apiserver has it (errors.NewInvalid)."""
        texts = [str(error) for error in errors]
        why = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        super().__init__(
            f'{subject.qualified} "{subject.name}" is invalid: {why}',
            subject=subject,
            causes=[error.cause for error in errors],
        )
        self.errors = tuple(errors)


class Unprocessable(CallerFault):
    """A patch that cannot be applied to this object (422, without fields)."""

    reason = "UNPROCESSABLE"


class Retryable(ApiError):
    reason = "RETRYABLE"


class TooManyRequests(Retryable):
    reason = "TOO_MANY_REQUESTS"

    def __init__(self, retry_after: int = 1) -> None:
        super().__init__("too many requests, please try again later", retry_after=retry_after)


class NameTaken(Retryable):
    """Each name generated from a base was taken: AlreadyExists to the caller, who may try again."""

    reason = "NAME_TAKEN"


class ResourceVersionTooLarge(Retryable):
    reason = "RESOURCE_VERSION_TOO_LARGE"

    def __init__(self, *, asked: int, current: int) -> None:
        super().__init__(
            f"Timeout: Too large resource version: {asked}, current: {current}",
            causes=[Cause(reason="ResourceVersionTooLarge", message="Too large resource version", field="")],
            retry_after=1,
        )


class TimedOut(Retryable):
    reason = "TIMED_OUT"


class ServiceUnavailable(Retryable):
    reason = "SERVICE_UNAVAILABLE"


class ServerFault(ApiError):
    reason = "SERVER_FAULT"


class InternalError(ServerFault):
    reason = "INTERNAL_ERROR"


class UnexpectedValue(ServerFault):
    """What kube-apiserver answers with 500 and no reason, though the caller is to blame: said as it says it."""

    reason = "UNEXPECTED_VALUE"


class StorageReadError(ServerFault):
    reason = "STORAGE_READ_ERROR"


class KindsInvalid(ApiError):
    """`faults` has a line for each: file, place in it, what is wrong."""

    reason = "KINDS_INVALID"

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class ApiSettingsInvalid(ApiError):
    """`faults` has a line for each."""

    reason = "API_SETTINGS_INVALID"

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class BackupRefused(ApiError):
    """Nothing was done: there is something in the way, or this is no backup of ours."""

    reason = "BACKUP_REFUSED"


class ClusterUnreachable(ApiError):
    reason = "CLUSTER_UNREACHABLE"


def details_of(error: ApiError) -> Mapping[str, object]:
    """metav1.StatusDetails; empty where there is nothing to tell."""
    subject = error.subject or Subject()
    details: dict[str, object] = {
        name: value
        for name, value in (
            ("name", subject.name),
            ("group", subject.group),
            ("kind", subject.kind),
            ("uid", subject.uid),
        )
        if value
    }
    if error.causes:
        details["causes"] = [cause.document for cause in error.causes]
    if error.retry_after:
        details["retryAfterSeconds"] = error.retry_after
    return details
