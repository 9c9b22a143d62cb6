"""One request under way: what is known of it so far, filled in by the pipeline from its first step to its last."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from apiserver.audit.auditor import Audit
from apiserver.identity.user import User
from apiserver.requests.path import RequestInfo
from apiserver.requests.warnings import WarningHeaders


def _take_nothing(_octets: int) -> None:
    """Before flow control has given a budget."""


_UNREAD = RequestInfo(path="", verb="")


@dataclass(slots=True, kw_only=True)
class Call:
    """`query` has the first value of each name, as Kubernetes reads it; those that may be repeated are read from the request."""

    request: web.Request
    query: Mapping[str, str]
    audit_id: str
    info: RequestInfo = _UNREAD
    user: User | None = None
    audit: Audit | None = None
    has_begun: bool = False
    """Whether a streamed answer has begun: what goes wrong after that cannot be told any more."""
    take_octets: Callable[[int], None] = _take_nothing
    warnings: WarningHeaders = field(default_factory=WarningHeaders)

    @property
    def headers(self) -> dict[str, str]:
        """What every answer carries (RFC 9111: nobody keeps an answer that depends on who asks)."""
        return {"Audit-Id": self.audit_id, "Cache-Control": "no-cache, private"}

    def values(self, name: str) -> list[str]:
        """All values of a query parameter that may be repeated."""
        return self.request.query.getall(name, [])
