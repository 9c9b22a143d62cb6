"""The options of a request, from its query (meta.k8s.io/v1 ListOptions, CreateOptions, UpdateOptions, PatchOptions).

- Whatever an option cannot be is refused before the request does anything, in kube-apiserver's words.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from apiserver.errors import BadRequest, Invalid, Subject, UnexpectedValue
from apiserver.field_errors import (
    FieldError,
    FieldErrorType,
    Verbatim,
    forbidden,
    invalid,
    not_supported,
    required,
)
from apiserver.fields.values import quoted
from apiserver.requests.path import truth

_META_GROUP = "meta.k8s.io"
_INTEGER = re.compile(r"([+-]?)0*([0-9]+)")
_REVISION = re.compile(r"0|[1-9][0-9]{0,18}")
_LARGEST = (1 << 63) - 1
_MOST_DIGITS = len(str(_LARGEST))  # Python refuses to read numbers of thousands of digits
_LONGEST_MANAGER = 128
_NOT_WITH_CONTINUE = "resourceVersionMatch is forbidden when continue is provided"


class FieldValidation(StrEnum):
    """What becomes of unknown and duplicate fields; kube-apiserver's default is Warn."""

    IGNORE = "Ignore"
    WARN = "Warn"
    STRICT = "Strict"


class ResourceVersionMatch(StrEnum):
    UNSET = ""
    EXACT = "Exact"
    NOT_OLDER_THAN = "NotOlderThan"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """Of list, watch and deletecollection. `revision` None: not said. `timeout` in seconds; 0: not said."""

    label_selector: str = ""
    field_selector: str = ""
    revision: int | None = None
    match: ResourceVersionMatch = ResourceVersionMatch.UNSET
    limit: int = 0
    continue_token: str = ""
    timeout: int = 0
    allow_bookmarks: bool = False
    send_initial_events: bool | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str], *, watch: bool) -> "ListOptions":
        """Raises BadRequest, Invalid; UnexpectedValue for a watch from what is no resourceVersion (that is upstream's 500)."""
        _verify_match(query, watch=watch)
        sending = query.get("sendInitialEvents")
        return cls(
            label_selector=query.get("labelSelector", ""),
            field_selector=query.get("fieldSelector", ""),
            revision=_revision(query, watch=watch),
            match=ResourceVersionMatch(query.get("resourceVersionMatch", "")),
            limit=_integer(query, "limit"),
            continue_token=query.get("continue", ""),
            timeout=_integer(query, "timeoutSeconds"),
            allow_bookmarks=truth(query.get("allowWatchBookmarks")),
            send_initial_events=None if sending is None else truth(sending),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """Of create, update and patch. `field_manager` "": named after the User-Agent. `force` None: not said."""

    dry_run: bool = False
    field_manager: str = ""
    field_validation: FieldValidation = FieldValidation.WARN
    force: bool | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str], dry_run: Iterable[str], *, name: str) -> "WriteOptions":
        """`name` is that of the options (`CreateOptions`); `dry_run` all values of dryRun. Raises Invalid."""
        values = tuple(dry_run)
        manager, validation, force = query.get("fieldManager", ""), query.get("fieldValidation", ""), query.get("force")
        errors = [*dry_run_errors(values), *_manager_errors(manager)]
        if validation and validation not in set(FieldValidation):
            errors.append(not_supported("fieldValidation", validation, ("", *sorted(FieldValidation))))
        if errors:
            raise Invalid(Subject(group=_META_GROUP, kind=name), errors)
        return cls(
            dry_run=bool(values),
            field_manager=manager,
            field_validation=FieldValidation(validation or FieldValidation.WARN),
            force=None if force is None else truth(force),
        )

    def verify_apply(self) -> None:
        """An apply must say who applies. Raises Invalid."""
        if not self.field_manager:
            error = required("fieldManager", "is required for apply patch")
            raise Invalid(Subject(group=_META_GROUP, kind="PatchOptions"), [error])

    def verify_no_force(self) -> None:
        """Only an apply may take fields from others. Raises Invalid."""
        if self.force is not None:
            error = forbidden("force", "may not be specified for non-apply patch")
            raise Invalid(Subject(group=_META_GROUP, kind="PatchOptions"), [error])


def grace_period(query: Mapping[str, str]) -> int:
    """gracePeriodSeconds, which nothing here waits for. Raises BadRequest."""
    return _integer(query, "gracePeriodSeconds")


def dry_run_errors(values: Iterable[str]) -> list[FieldError]:
    wanted = list(values)
    return [] if set(wanted) <= {"All"} else [not_supported("dryRun", wanted, ("All",))]


def get_revision(query: Mapping[str, str]) -> int | None:
    """The resourceVersion that a get must not be older than, if it names one. Raises BadRequest."""
    return _revision(query, watch=False)


def _verify_match(query: Mapping[str, str], *, watch: bool) -> None:
    """Raises Invalid; the rules of ValidateListOptions (k8s.io/apimachinery), in its order."""
    match, revision = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    sending = query.get("sendInitialEvents")
    errors: list[FieldError] = []
    if watch and sending is not None:
        if match != ResourceVersionMatch.NOT_OLDER_THAN:
            why = f"sendInitialEvents requires setting resourceVersionMatch to {ResourceVersionMatch.NOT_OLDER_THAN.value}"
            errors.append(forbidden("resourceVersionMatch", why))
    elif watch and match:
        errors.append(
            forbidden(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            )
        )
    elif match:
        errors += _list_match_errors(match, revision, continued=bool(query.get("continue")))
    if sending is not None and not watch:
        errors.append(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if watch and match and match != ResourceVersionMatch.NOT_OLDER_THAN:
        errors.append(not_supported("resourceVersionMatch", match, (ResourceVersionMatch.NOT_OLDER_THAN.value,)))
    if watch and query.get("continue"):
        errors.append(forbidden("resourceVersionMatch", _NOT_WITH_CONTINUE))
    if errors:
        raise Invalid(Subject(group=_META_GROUP, kind="ListOptions"), errors)


def _list_match_errors(match: str, revision: str, *, continued: bool) -> list[FieldError]:
    field, errors = "resourceVersionMatch", []
    if not revision:
        errors.append(forbidden(field, "resourceVersionMatch is forbidden unless resourceVersion is provided"))
    if continued:
        errors.append(forbidden(field, _NOT_WITH_CONTINUE))
    if match not in set(ResourceVersionMatch):
        supported = (ResourceVersionMatch.EXACT, ResourceVersionMatch.NOT_OLDER_THAN, "")
        errors.append(not_supported(field, match, tuple(str(value) for value in supported)))
    if match == ResourceVersionMatch.EXACT and revision == "0":
        errors.append(forbidden(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    return errors


def _revision(query: Mapping[str, str], *, watch: bool) -> int | None:
    text = query.get("resourceVersion", "")
    if not text:
        return None
    if not _REVISION.fullmatch(text) or int(text) > _LARGEST:
        fault = "value out of range" if re.fullmatch("[1-9][0-9]+", text) else "invalid syntax"
        why = f'resourceVersion: Invalid value: "{text[:64]}": strconv.ParseUint: parsing "{text[:64]}": {fault}'
        raise UnexpectedValue(why) if watch else BadRequest(f"invalid resource version: {why}")
    return int(text)


def _integer(query: Mapping[str, str], name: str) -> int:
    text = query.get(name)
    if text is None:
        return 0
    found = _INTEGER.fullmatch(text)
    if found is None:
        raise BadRequest(f'strconv.ParseInt: parsing "{text[:64]}": invalid syntax')
    sign, digits = found.groups()
    if len(digits) > _MOST_DIGITS or int(digits) > _LARGEST:
        raise BadRequest(f'strconv.ParseInt: parsing "{text[:64]}": value out of range')
    return 0 if sign == "-" else int(digits)


def _manager_errors(manager: str) -> list[FieldError]:
    errors = []
    if len(manager.encode(errors="surrogatepass")) > _LONGEST_MANAGER:
        detail = f"may not be more than {_LONGEST_MANAGER} bytes"
        errors.append(FieldError(type=FieldErrorType.TOO_LONG, field="fieldManager", detail=detail))
    unprintable = next(((index, one) for index, one in enumerate(manager) if not one.isprintable()), None)
    if unprintable is not None:
        index, character = unprintable
        place = len(manager[:index].encode(errors="surrogatepass"))
        detail = f"invalid character U+{ord(character):04X} (at position {place})"
        errors.append(invalid("fieldManager", Verbatim(quoted(manager)), detail))
    return errors
