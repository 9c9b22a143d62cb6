"""Who may do what: the cluster's SubjectAccessReview (authorization.k8s.io/v1).

- Permissions and refusals are remembered for a while each; nothing is remembered of a question that is very long.
- No answer is not "no": it is told as an error, so that nobody takes an outage for a change of rights.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import msgspec
import orjson
import structlog

from apiserver.ambient import Entropy
from apiserver.cluster.caches import AnswerCache
from apiserver.cluster.connection import ClusterConnection
from apiserver.cluster.retries import WEBHOOK_PACE, Pace, repeated
from apiserver.documents import JsonObject, JsonValue
from apiserver.errors import ClusterUnreachable, InternalError
from apiserver.identity.user import Attributes, SelectorRequirement, User
from serving.records import read_by_threads

_PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_CAPACITY = 8192
_LONGEST = 10_000  # octets of a question that is remembered
_OPERATORS = {"In", "NotIn", "Exists", "DoesNotExist"}
"""Of requirements in a review. Without one of another kind the question is a wider one, never a narrower."""

_log = structlog.get_logger("chancery.apiserver.cluster")


class _Status(msgspec.Struct):
    allowed: bool
    denied: bool = False
    reason: str = ""


@read_by_threads
class _Review(msgspec.Struct):
    """What is read of a SubjectAccessReview; one that does not say whether it is allowed is none."""

    status: _Status


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    allowed: bool
    reason: str
    long: bool


class ClusterAccessReviews:
    """`apiserver.identity.authorization.AccessReviews`."""

    def __init__(
        self,
        connection: ClusterConnection,
        *,
        allowed_seconds: float,
        denied_seconds: float,
        workers: Executor,
        monotonic: Callable[[], float],
        entropy: Entropy,
        pace: Pace = WEBHOOK_PACE,
    ) -> None:
        self._connection = connection
        self._allowed_seconds = allowed_seconds
        self._denied_seconds = denied_seconds
        self._workers = workers
        self._entropy = entropy
        self._pace = pace
        self._cache: AnswerCache[_Answer] = AnswerCache(_CAPACITY, monotonic=monotonic)

    async def review(self, user: User, attributes: Attributes) -> str | None:
        """None where it is allowed, otherwise why not. Raises InternalError."""
        spec = _spec(user, attributes)
        key = orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)
        try:
            answer = await self._cache.get(key, lambda: self._ask(spec, len(key)), self._seconds_for)
        except ClusterUnreachable as err:
            _log.warning("the cluster cannot be asked for a permission", error=str(err))
            raise InternalError(
                "Internal error occurred: the cluster cannot say whether this is allowed; try again", retry_after=1
            ) from err
        return None if answer.allowed else answer.reason

    async def _ask(self, spec: JsonObject, octets: int) -> _Answer:
        review: JsonObject = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": spec,
        }
        answer = await repeated(
            lambda: self._connection.post(_PATH, review), workers=self._workers, entropy=self._entropy, pace=self._pace
        )
        try:
            status = msgspec.convert(answer, _Review).status
        except msgspec.ValidationError as err:
            raise ClusterUnreachable(f"the cluster's word on a permission cannot be read: {err}") from err
        return _Answer(allowed=status.allowed and not status.denied, reason=status.reason, long=octets > _LONGEST)

    def _seconds_for(self, answer: _Answer) -> float:
        if answer.long:
            return 0
        return self._allowed_seconds if answer.allowed else self._denied_seconds


def _spec(user: User, attributes: Attributes) -> JsonObject:
    spec: JsonObject = {
        "user": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {key: list(values) for key, values in user.extra.items()},
    }
    if not attributes.resource:
        spec["nonResourceAttributes"] = {"path": attributes.path, "verb": attributes.verb}
        return spec
    asked: JsonObject = {
        "namespace": attributes.namespace,
        "verb": attributes.verb,
        "group": attributes.group,
        "version": attributes.version,
        "resource": attributes.resource,
        "subresource": attributes.subresource,
        "name": attributes.name,
    }
    for name, requirements in (
        ("labelSelector", attributes.label_requirements),
        ("fieldSelector", attributes.field_requirements),
    ):
        known: list[JsonValue] = [_requirement(one) for one in requirements if one.operator in _OPERATORS]
        if known:
            asked[name] = {"requirements": known}
    spec["resourceAttributes"] = {name: value for name, value in asked.items() if value}
    return spec


def _requirement(one: SelectorRequirement) -> JsonObject:
    return {"key": one.key, "operator": one.operator, **({"values": list(one.values)} if one.values else {})}
