"""Authorization: always-allowed paths, system:masters, and whatever the cluster says (apiserver DelegatingAuthorizationOptions)."""

from collections.abc import Sequence
from typing import Protocol

from apiserver.errors import Forbidden
from apiserver.identity.forbidden import forbidden
from apiserver.identity.user import MASTERS_GROUP, Attributes, User

HEALTH_PATHS = ("/healthz", "/livez", "/readyz")


class AccessReviews(Protocol):
    """The cluster's word on who may do what."""

    async def review(self, user: User, attributes: Attributes) -> str | None:
        """None where it is allowed, otherwise why not. Raises InternalError where the cluster cannot say."""


class Authorizer:
    """Default deny. Without `reviews` the server stands alone, and only system:masters gets in."""

    def __init__(self, *, always_allow: Sequence[str] = (), reviews: AccessReviews | None = None) -> None:
        """`always_allow` are paths; with `*` at the end, what they begin with."""
        self._exact = {path for path in (*HEALTH_PATHS, *always_allow) if not path.endswith("*")}
        self._prefixes = tuple(
            [f"{path}/" for path in HEALTH_PATHS] + [path[:-1] for path in always_allow if path.endswith("*")]
        )
        self._reviews = reviews

    async def authorize(self, user: User, attributes: Attributes) -> None:
        """Raises Forbidden; InternalError where the cluster cannot be asked."""
        if not attributes.resource and self.is_open(attributes.path):
            return
        if MASTERS_GROUP in user.groups:
            return
        reason = "" if self._reviews is None else await self._reviews.review(user, attributes)
        if reason is not None:
            raise self._forbidden(user, attributes, reason)

    def is_open(self, path: str) -> bool:
        """Whether everybody may have what is at a path."""
        return path in self._exact or path.startswith(self._prefixes)

    @staticmethod
    def _forbidden(user: User, attributes: Attributes, reason: str) -> Forbidden:
        return forbidden(user, attributes, reason)
