"""Whose a token is: the cluster's TokenReview (authentication.k8s.io/v1).

- Answers are remembered under a keyed hash of the token; the token itself is kept nowhere.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import cast

from apiserver.ambient import Entropy
from apiserver.cluster.caches import AnswerCache
from apiserver.cluster.connection import ClusterConnection
from apiserver.cluster.retries import WEBHOOK_PACE, Pace, repeated
from apiserver.documents import JsonObject
from apiserver.identity.user import User

_PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
_CAPACITY = 4096
_LONGEST = 32 << 10


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
        """None where it is nobody's. Raises ClusterUnreachable."""
        if len(token) > _LONGEST:
            return None
        key = hmac.digest(self._key, token.encode(errors="replace"), hashlib.sha256)
        return await self._cache.get(key, lambda: self._ask(token), lambda _user: self._seconds)

    async def _ask(self, token: str) -> User | None:
        review: JsonObject = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, **({"audiences": list(self._audiences)} if self._audiences else {})},
        }
        answer = await repeated(
            lambda: self._connection.post(_PATH, review), workers=self._workers, entropy=self._entropy, pace=self._pace
        )
        return _user(cast("JsonObject", answer.get("status") or {}), self._audiences)


def _user(status: JsonObject, audiences: Sequence[str]) -> User | None:
    user = status.get("user")
    if status.get("authenticated") is not True or not isinstance(user, dict) or not user.get("username"):
        return None
    granted = status.get("audiences")
    if audiences and not (isinstance(granted, list) and set(audiences) & {str(one) for one in granted}):
        return None
    extra = cast("Mapping[str, Sequence[str]]", user.get("extra") or {})
    return User(
        name=str(user["username"]),
        uid=str(user.get("uid") or ""),
        groups=tuple(str(group) for group in cast("Sequence[object]", user.get("groups") or ())),
        extra={key.lower(): tuple(values) for key, values in extra.items()},
    )
