"""What a path and a method ask for (k8s.io/apiserver/pkg/endpoints/request: RequestInfo).

- Decided before anybody knows whether such a kind exists: authorization comes before "not found".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from apiserver.errors import BadRequest

LONGEST_PATH = 4096

_HEALTH = {"livez", "readyz", "healthz"}

_VERBS: Mapping[str, str] = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestInfo:
    """`resource` is "" for what is no resource; `verb` is then the method in lower case."""

    path: str
    verb: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""
    in_namespace: bool = False
    too_deep: bool = False

    @property
    def is_resource(self) -> bool:
        return bool(self.resource)

    @property
    def is_long_running(self) -> bool:
        """Without a deadline of the server's and outside of its bounds on requests in flight."""
        return self.verb == "watch" or self.path.startswith("/debug/pprof/")

    @property
    def is_probe(self) -> bool:
        """Whether it asks for health, all of it or a single check."""
        return not self.is_resource and self.path.split("/")[1] in _HEALTH

    @property
    def is_read_only(self) -> bool:
        return self.verb in {"get", "list", "watch", "head", "options"}


def read_path(method: str, raw_path: str, query: Mapping[str, str]) -> RequestInfo:
    """`raw_path` is percent-encoded. Raises BadRequest for a path that is too long or not UTF-8."""
    if len(raw_path) > LONGEST_PATH:
        raise BadRequest(f"the path is longer than {LONGEST_PATH} octets")
    try:
        parts = [unquote(part, errors="strict") for part in raw_path.strip("/").split("/")]
    except UnicodeDecodeError as err:
        raise BadRequest("the path is not UTF-8") from err
    path = "/" + "/".join(parts)
    if raw_path.endswith("/") and path != "/":
        path += "/"
    if len(parts) < 4 or parts[0] != "apis":
        return RequestInfo(path=path, verb=method.lower())
    return _resource(path, method, parts[1], parts[2], parts[3:], query)


def _resource(
    path: str, method: str, group: str, version: str, rest: list[str], query: Mapping[str, str]
) -> RequestInfo:
    namespace, in_namespace = "", False
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, in_namespace, rest = rest[1], True, rest[2:]
    resource, name, subresource = (*rest, "", "")[:3] if len(rest) < 3 else rest[:3]
    return RequestInfo(
        path=path,
        verb=_verb(method, name, query),
        group=group,
        version=version,
        namespace=namespace,
        resource=resource,
        name=name,
        subresource=subresource,
        in_namespace=in_namespace,
        too_deep=len(rest) > 3,
    )


def _verb(method: str, name: str, query: Mapping[str, str]) -> str:
    verb = _VERBS.get(method, method.lower())
    if name:
        return verb
    if verb == "get":
        return "watch" if truth(query.get("watch")) else "list"
    return "deletecollection" if verb == "delete" else verb


def truth(text: str | None) -> bool:
    """A boolean of a query, as kube-apiserver reads it: whatever is there and not 0 or false."""
    return text is not None and text.lower() not in {"0", "false"}
