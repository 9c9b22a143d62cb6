"""The words of a refusal (k8s.io/apiserver handlers/responsewriters: ForbiddenStatusError)."""

from apiserver.errors import Forbidden, Subject
from apiserver.identity.user import Attributes, User


def forbidden(user: User, attributes: Attributes, reason: str = "") -> Forbidden:
    """`reason` is the authorizer's; it is told after the sentence."""
    who = f'User "{user.name}"'
    if not attributes.resource:
        message = f'{who} cannot {attributes.verb} path "{attributes.path}"'
        return Forbidden(f"forbidden: {_with(message, reason)}", subject=Subject())
    resource = attributes.resource + (f"/{attributes.subresource}" if attributes.subresource else "")
    message = f'{who} cannot {attributes.verb} resource "{resource}" in API group "{attributes.group}"'
    message += f' in the namespace "{attributes.namespace}"' if attributes.namespace else " at the cluster scope"
    subject = Subject(name=attributes.name, group=attributes.group, kind=attributes.resource)
    named = f'{subject.qualified} "{attributes.name}"' if attributes.name else subject.qualified
    return Forbidden(f"{named} is forbidden: {_with(message, reason)}", subject=subject)


def _with(message: str, reason: str) -> str:
    return f"{message}: {reason}" if reason else message
