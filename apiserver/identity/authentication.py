"""Authentication: front proxy, client certificate, bearer token, anonymous, in this order (DelegatingAuthenticatorConfig).

- A header of a front proxy is believed only from a connection that proved to be the front proxy's.
- A certificate is judged with each request: one that has expired, or whose CA is trusted no longer, proves nothing any more.
- A token that is wrong is refused, also where nobody need show one.
- A front proxy that names somebody in octets that are no UTF-8 names nobody: two users must not become one by being spelt anew.
"""

import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from urllib.parse import unquote

from multidict import CIMultiDictProxy

from apiserver.ambient import Clock
from apiserver.errors import BadRequest, Unauthorized
from apiserver.identity.peer import Peer, Peers
from apiserver.identity.trust import RequestHeaderSettings, Trust
from apiserver.identity.user import ANONYMOUS, AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP, User

Headers = CIMultiDictProxy[str]

_CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


class TokenReviews(Protocol):
    """The cluster's word on whose a token is."""

    async def review(self, token: str) -> User | None:
        """None where it is nobody's. Raises ServiceUnavailable where the cluster cannot say."""


class Authenticator:
    """Used on the event loop."""

    def __init__(
        self, *, trust: Trust, clock: Clock, anonymous: bool = True, tokens: TokenReviews | None = None
    ) -> None:
        self._trust = trust
        self._clock = clock
        self._anonymous = anonymous
        self._tokens = tokens
        self._peers = Peers()

    async def authenticate(self, connection: ssl.SSLObject | None, headers: Headers, *, is_open: bool) -> User:
        """`is_open`: everybody may have what is asked for.

        Raises Unauthorized, BadRequest; ServiceUnavailable where a token cannot be judged.

        Whoever shows nothing is anonymous where that is enough, and unknown elsewhere: nothing else is open to strangers, so that a
        certificate that was forgotten is told apart from rights that are missing.
        """
        now = self._clock()
        peer = self._peers.of(connection, self._trust.generation)
        proven = self._front_proxy(peer, headers, now) or self._certificate(peer, now)
        if proven is None:
            proven = await self._token(headers)
        if proven is not None:
            return _with_group(proven, AUTHENTICATED_GROUP)
        if not (self._anonymous and is_open):
            raise Unauthorized
        return User(name=ANONYMOUS, groups=(UNAUTHENTICATED_GROUP,))

    def _front_proxy(self, peer: Peer | None, headers: Headers, now: datetime) -> User | None:
        settings = self._trust.present.request_header
        if peer is None or not _proves(peer, settings.ca.anchors, now):
            return None
        if settings.allowed_names and peer.common_name not in settings.allowed_names:
            return None
        name = next((headers[header] for header in settings.username_headers if headers.get(header)), "")
        if not name:
            return None
        user = User(
            name=name,
            uid=next((headers[header] for header in settings.uid_headers if headers.get(header)), ""),
            groups=tuple(dict.fromkeys(_all(headers, settings.group_headers))),
            extra=_extra(headers, settings),
        )
        if not user.is_utf8:
            raise BadRequest("the headers of the front proxy are not UTF-8")
        return user

    def _certificate(self, peer: Peer | None, now: datetime) -> User | None:
        if peer is None or not _proves(peer, self._trust.present.client_ca.anchors, now) or not peer.common_name:
            return None
        return User(
            name=peer.common_name,
            groups=peer.organizations,
            extra={_CREDENTIAL_ID: (f"X509SHA256={peer.fingerprint}",)},
        )

    async def _token(self, headers: Headers) -> User | None:
        scheme, _, token = headers.get("Authorization", "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return None
        user = None if self._tokens is None else await self._tokens.review(token)
        if user is None:
            raise Unauthorized
        return user


def _proves(peer: Peer, anchors: frozenset[bytes], now: datetime) -> bool:
    return peer.is_client and peer.is_valid_at(now) and not anchors.isdisjoint(peer.anchors)


def _all(headers: Headers, names: Sequence[str]) -> list[str]:
    return [value for name in names for value in headers.getall(name, []) if value]


def _extra(headers: Headers, settings: RequestHeaderSettings) -> Mapping[str, tuple[str, ...]]:
    """Keys are what follows the prefix, in lower case and without percent-encoding."""
    found: dict[str, tuple[str, ...]] = {}
    for prefix in settings.extra_headers_prefix:
        for name, value in headers.items():
            if name.lower().startswith(prefix.lower()):
                key = unquote(name[len(prefix) :].lower())
                found[key] = (*found.get(key, ()), value)
    return found


def _with_group(user: User, group: str) -> User:
    if group in user.groups:
        return user
    return User(name=user.name, uid=user.uid, groups=(*user.groups, group), extra=user.extra)
