"""What is wrong with a field, as kube-apiserver says it (k8s.io/apimachinery/pkg/util/validation/field)."""

from dataclasses import dataclass
from enum import Enum

import orjson

from apiserver.fields.values import quoted, whole

_LONGEST_VALUE = 1024  # octets of a bad value that are repeated to the caller


class FieldErrorType(Enum):
    """The reason of a cause, and the words that begin its message."""

    NOT_FOUND = ("FieldValueNotFound", "Not found")
    REQUIRED = ("FieldValueRequired", "Required value")
    DUPLICATE = ("FieldValueDuplicate", "Duplicate value")
    INVALID = ("FieldValueInvalid", "Invalid value")
    NOT_SUPPORTED = ("FieldValueNotSupported", "Unsupported value")
    FORBIDDEN = ("FieldValueForbidden", "Forbidden")
    TOO_LONG = ("FieldValueTooLong", "Too long")
    TOO_MANY = ("FieldValueTooMany", "Too many")
    TYPE_INVALID = ("FieldValueTypeInvalid", "Invalid value")

    @property
    def reason(self) -> str:
        return self.value[0]

    @property
    def words(self) -> str:
        return self.value[1]


_WITHOUT_VALUE = frozenset({FieldErrorType.REQUIRED, FieldErrorType.FORBIDDEN, FieldErrorType.TOO_LONG})


OMITTED = object()
"""For a bad value that is not repeated."""


class Verbatim(str):
    """A bad value that is shown as it is, without quotes."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """metav1.StatusCause."""

    reason: str
    message: str
    field: str

    @property
    def document(self) -> dict[str, str]:
        document = {"reason": self.reason, "message": self.message, "field": self.field}
        return {name: value for name, value in document.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """`field` is a path such as `spec.containers[0].name`; `value` the bad one, of any JSON type."""

    type: FieldErrorType
    field: str
    detail: str = ""
    value: object = None

    @property
    def message(self) -> str:
        """Without the path: `Invalid value: "x": must be …`."""
        words = self.type.words
        if self.type not in _WITHOUT_VALUE and self.value is not OMITTED:
            words += f": {_shown(self.value)}"
        return f"{words}: {self.detail}" if self.detail else words

    @property
    def cause(self) -> Cause:
        return Cause(reason=self.type.reason, message=self.message, field=self.field)

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def required(field: str, detail: str = "") -> FieldError:
    return FieldError(type=FieldErrorType.REQUIRED, field=field, detail=detail)


def invalid(field: str, value: object, detail: str) -> FieldError:
    return FieldError(type=FieldErrorType.INVALID, field=field, value=value, detail=detail)


def forbidden(field: str, detail: str) -> FieldError:
    return FieldError(type=FieldErrorType.FORBIDDEN, field=field, detail=detail)


def duplicate(field: str, value: object) -> FieldError:
    return FieldError(type=FieldErrorType.DUPLICATE, field=field, value=value)


def not_supported(field: str, value: object, supported: tuple[str, ...]) -> FieldError:
    choices = ", ".join(map(quoted, supported))
    detail = f"supported values: {choices}" if supported else ""
    return FieldError(type=FieldErrorType.NOT_SUPPORTED, field=field, value=value, detail=detail)


def go_number(value: int | float) -> str:
    """As Go prints a number with %v."""
    return str(whole(value) if isinstance(value, float) else value)


def _shown(value: object) -> str:
    if isinstance(value, Verbatim):
        return str(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        text = go_number(value)
    else:
        text = orjson.dumps(value, default=repr, option=orjson.OPT_SORT_KEYS).decode()
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
