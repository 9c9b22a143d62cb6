"""Impersonation: acting as somebody else, with leave (k8s.io/apiserver/pkg/endpoints/filters: WithImpersonation).

- Each thing that is claimed (user, groups, UID, extra) needs the right to impersonate it.
- Without a user there is nobody to be: groups alone are refused.
"""

from urllib.parse import unquote

from multidict import CIMultiDictProxy

from apiserver.errors import BadRequest
from apiserver.identity.authorization import Authorizer
from apiserver.identity.user import (
    ANONYMOUS,
    AUTHENTICATED_GROUP,
    UNAUTHENTICATED_GROUP,
    Attributes,
    User,
)
from apiserver.requests.names import label_faults, subdomain_faults

_USER, _GROUP, _UID, _EXTRA = "Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-"
_SERVICE_ACCOUNT = "system:serviceaccount:"
_AUTHENTICATION_GROUP = "authentication.k8s.io"


class Impersonation:
    """Used on the event loop."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def assume(self, user: User, headers: CIMultiDictProxy[str]) -> User:
        """Who the request is made as: `user`, where nobody else is claimed. Raises BadRequest, Forbidden, InternalError."""
        name, groups, uid, extra = _claimed(headers)
        if not (name or groups or uid or extra):
            return user
        if not name:
            raise BadRequest("requested impersonation without impersonating a user")
        account = _service_account(name)
        claimed = User(name=name, uid=uid, groups=_groups(name, groups, account), extra=extra)
        if not claimed.is_utf8:
            raise BadRequest("the headers that say whom to impersonate are not UTF-8")
        if account is not None:
            await self._authorize(user, "serviceaccounts", name=account[1], namespace=account[0])
        else:
            await self._authorize(user, "users", name=name)
        for group in groups:
            await self._authorize(user, "groups", name=group)
        if uid:
            await self._authorize(user, "uids", name=uid, group=_AUTHENTICATION_GROUP)
        for key, values in extra.items():
            for value in values:
                await self._authorize(user, "userextras", name=value, subresource=key, group=_AUTHENTICATION_GROUP)
        return claimed

    async def _authorize(
        self, user: User, resource: str, *, name: str, namespace: str = "", subresource: str = "", group: str = ""
    ) -> None:
        attributes = Attributes(
            verb="impersonate",
            path="",
            group=group,
            version="v1",
            resource=resource,
            subresource=subresource,
            namespace=namespace,
            name=name,
        )
        await self._authorizer.authorize(user, attributes)


def _claimed(headers: CIMultiDictProxy[str]) -> tuple[str, tuple[str, ...], str, dict[str, tuple[str, ...]]]:
    extra: dict[str, tuple[str, ...]] = {}
    for name, value in headers.items():
        if name.lower().startswith(_EXTRA.lower()):
            key = unquote(name[len(_EXTRA) :].lower())
            extra[key] = (*extra.get(key, ()), value)
    return headers.get(_USER, ""), tuple(headers.getall(_GROUP, ())), headers.get(_UID, ""), extra


def _service_account(name: str) -> tuple[str, str] | None:
    """Namespace and name, where a user is a service account (serviceaccount.SplitUsername)."""
    if not name.startswith(_SERVICE_ACCOUNT):
        return None
    namespace, separator, account = name.removeprefix(_SERVICE_ACCOUNT).partition(":")
    if not separator or label_faults(namespace) or subdomain_faults(account):
        return None
    return namespace, account


def _groups(name: str, groups: tuple[str, ...], account: tuple[str, str] | None) -> tuple[str, ...]:
    if account is not None and not groups:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{account[0]}")
    if UNAUTHENTICATED_GROUP in groups:
        return groups
    if name == ANONYMOUS:
        return (*groups, UNAUTHENTICATED_GROUP)
    return groups if AUTHENTICATED_GROUP in groups else (*groups, AUTHENTICATED_GROUP)
