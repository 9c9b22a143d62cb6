"""What Schemathesis is told about a Kubernetes API that no OpenAPI document can say; loaded into its process.

- A watch answers with a stream for as long as it was asked to: a second, and few are asked for.
- Failures are dropped where kube-apiserver answers so too, one by one and never by the name of a check.
"""

import itertools
import json

import schemathesis
from schemathesis.core import NOT_SET
from schemathesis.core.failures import AcceptedNegativeData, MalformedJson, ServerError
from schemathesis.core.parameters import ParameterLocation

_BOOLEANS = frozenset({"allowWatchBookmarks", "force", "orphanDependents", "sendInitialEvents", "watch"})
_DELETE_OPTIONS = frozenset({"dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"})
_UPSTREAM_500 = (
    "resourceVersion should not be set on objects to be created",
    'resourceVersion: Invalid value: "',  # of a watch
)

_WATCHED = 25
_asked = itertools.count()


@schemathesis.hook
def before_call(_context, case, _kwargs):
    if not _watches(case):
        return
    if _negated(case) or next(_asked) % _WATCHED:
        case.query["watch"] = "false"
    else:
        for name in ("continue", "resourceVersion", "resourceVersionMatch", "sendInitialEvents"):
            case.query.pop(name, None)  # beside which most watches are refused
        case.query["timeoutSeconds"] = 1


@schemathesis.hook
def filter_failure(_context, failure, case, response):
    if isinstance(failure, ServerError):
        return not _is_upstreams(json.loads(response.content))
    if isinstance(failure, MalformedJson):
        return not (_watches(case) and response.status_code == 200)  # frames on lines of their own
    if isinstance(failure, AcceptedNegativeData):
        return not _is_lenient(case)
    return True


def _watches(case):
    value = (case.query or {}).get("watch")
    return case.method.upper() == "GET" and value is not None and str(value).lower() not in {"0", "false"}


def _is_upstreams(status):
    """The few 5xx that are told to a caller who asked for something that cannot be."""
    if status["code"] == 504:
        return status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    return status["code"] == 500 and "reason" not in status and status["message"].startswith(_UPSTREAM_500)


def _is_lenient(case):
    """A case that is wrong in nothing but what kube-apiserver does not look at.

    It reads booleans in any spelling, of a parameter that is repeated the first value, and no options of a deletion beside a body.
    A field that is null is not there. Here, nor is a number without digits.
    """
    unread = _DELETE_OPTIONS if case.method.upper() == "DELETE" and case.body is not NOT_SET else frozenset()
    repeated = {name for name, value in (case.query or {}).items() if isinstance(value, list | dict) or value == ""}
    return {(ParameterLocation.QUERY, name) for name in _BOOLEANS | unread | repeated} >= _negated(case)


def _negated(case):
    """What is wrong with a case, as locations and names; empty for a case that keeps to the document."""
    if case.meta.generation.mode.is_positive:
        return set()
    about = case.meta.phase.data
    if about.mutations:
        return {(one.parameter_location, one.parameter) for one in about.mutations if not _is_null_field(one)}
    return {(about.parameter_location, about.parameter)}


def _is_null_field(mutation):
    return mutation.parameter_location is ParameterLocation.BODY and bool(mutation.path) and mutation.new_value is None
