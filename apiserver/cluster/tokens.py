"""Whose a token is: the cluster's TokenReview (authentication.k8s.io/v1).

- Answers are remembered under a keyed hash of the token; the token itself is kept nowhere.
- No answer is not "no", nor is it the caller's to read: what went wrong is logged.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import msgspec
import structlog

from apiserver.ambient import Entropy
from apiserver.cluster.caches import AnswerCache
from apiserver.cluster.connection import ClusterConnection
from apiserver.cluster.retries import WEBHOOK_PACE, Pace, repeated
from apiserver.documents import JsonObject
from apiserver.errors import ClusterUnreachable, ServiceUnavailable
from apiserver.identity.user import User
from serving.records import read_by_threads

_PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
_CAPACITY = 4096
_LONGEST = 32 << 10

_log = structlog.get_logger("chancery.apiserver.cluster")


class ClusterTokenReviews:
    """`apiserver.identity.authentication.TokenReviews`."""

    def __init__(
        self,
        connection: ClusterConnection,
        *,
        remembered_seconds: float,
        audiences: Sequence[str] = (),
        workers: Executor,
        monotonic: Callable[[], float],
        entropy: Entropy,
        pace: Pace = WEBHOOK_PACE,
    ) -> None:
        self._connection = connection
        self._seconds = remembered_seconds
        self._audiences = tuple(audiences)
        self._workers = workers
        self._entropy = entropy
        self._pace = pace
        self._key = entropy(32)
        self._cache: AnswerCache[User | None] = AnswerCache(_CAPACITY, monotonic=monotonic)

    async def review(self, token: str) -> User | None:
        """None where it is nobody's. Raises ServiceUnavailable."""
        if len(token) > _LONGEST:
            return None
        try:
            octets = token.encode()
        except UnicodeEncodeError:  # octets of a header that are no UTF-8, which no JSON can say
            return None
        key = hmac.digest(self._key, octets, hashlib.sha256)
        try:
            return await self._cache.get(key, lambda: self._ask(token), lambda _user: self._seconds)
        except ClusterUnreachable as err:
            _log.warning("the cluster cannot be asked whose a token is", error=str(err))
            raise ServiceUnavailable("the cluster cannot say whose this token is; try again", retry_after=1) from err

    async def _ask(self, token: str) -> User | None:
        review: JsonObject = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, **({"audiences": list(self._audiences)} if self._audiences else {})},
        }
        answer = await repeated(
            lambda: self._connection.post(_PATH, review), workers=self._workers, entropy=self._entropy, pace=self._pace
        )
        try:
            status = msgspec.convert(answer, _Review).status
        except msgspec.ValidationError as err:
            raise ClusterUnreachable(f"the cluster's word on a token cannot be read: {err}") from err
        return status.whose(self._audiences)


class _User(msgspec.Struct):
    username: str = ""
    uid: str = ""
    groups: list[str] | None = None
    extra: dict[str, list[str] | None] | None = None


class _Status(msgspec.Struct):
    authenticated: bool = False
    user: _User = msgspec.field(default_factory=_User)
    audiences: list[str] | None = None

    def whose(self, audiences: Sequence[str]) -> User | None:
        if not self.authenticated or not self.user.username:
            return None
        if audiences and not set(audiences) & set(self.audiences or ()):
            return None
        return User(
            name=self.user.username,
            uid=self.user.uid,
            groups=tuple(self.user.groups or ()),
            extra={key.lower(): tuple(values or ()) for key, values in (self.user.extra or {}).items()},
        )


@read_by_threads
class _Review(msgspec.Struct):
    """What is read of a TokenReview. Go writes lists that are nil as null, and leaves out what is false."""

    status: _Status
