"""The audit policy: how much is written down of which request (audit.k8s.io/v1 Policy). The first rule that fits decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import cast

from apiserver.errors import ApiSettingsInvalid
from apiserver.identity.user import Attributes, User


class Level(Enum):
    """In rising order of how much is written."""

    NONE = "None"
    METADATA = "Metadata"
    REQUEST = "Request"
    REQUEST_RESPONSE = "RequestResponse"


class Stage(Enum):
    REQUEST_RECEIVED = "RequestReceived"
    RESPONSE_STARTED = "ResponseStarted"
    RESPONSE_COMPLETE = "ResponseComplete"
    PANIC = "Panic"


_RULE = frozenset(
    {
        "level",
        "users",
        "userGroups",
        "verbs",
        "resources",
        "namespaces",
        "nonResourceURLs",
        "omitStages",
        "omitManagedFields",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupResources:
    """`resources` may be `pods`, `pods/log`, `*`, `*/status`; empty for all of the group."""

    group: str
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def fits(self, attributes: Attributes) -> bool:
        if self.group != attributes.group:
            return False
        if self.names and attributes.name not in self.names:
            return False
        if not self.resources:
            return True
        sub = f"/{attributes.subresource}" if attributes.subresource else ""
        wanted = {f"{attributes.resource}{sub}", f"*{sub}", f"{attributes.resource}/*" if sub else "", "*"}
        return not wanted.isdisjoint(self.resources)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition that is empty holds for everybody."""

    level: Level
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[GroupResources, ...] = ()
    namespaces: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    omitted: frozenset[Stage] = frozenset()

    def fits(self, user: User, attributes: Attributes) -> bool:
        if self.users and user.name not in self.users:
            return False
        if self.groups and not set(self.groups) & set(user.groups):
            return False
        if self.verbs and not {attributes.verb, "*"} & set(self.verbs):
            return False
        if self.resources or self.namespaces:
            return bool(attributes.resource) and self._fits_resource(attributes)
        if self.paths:
            return not attributes.resource and any(_path_fits(path, attributes.path) for path in self.paths)
        return True

    def _fits_resource(self, attributes: Attributes) -> bool:
        if self.namespaces and attributes.namespace not in self.namespaces:
            return False
        return not self.resources or any(one.fits(attributes) for one in self.resources)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPolicy:
    rules: tuple[Rule, ...]
    omitted: frozenset[Stage] = frozenset()

    @classmethod
    def from_document(cls, document: object) -> "AuditPolicy":
        """Raises ApiSettingsInvalid with all faults."""
        faults: list[str] = []
        if not isinstance(document, Mapping):
            raise ApiSettingsInvalid(["audit policy: must be an object"])
        if document.get("kind") != "Policy" or document.get("apiVersion") != "audit.k8s.io/v1":
            faults.append("audit policy: must be a Policy of audit.k8s.io/v1")
        given = document.get("rules")
        if not isinstance(given, list) or not given:
            faults.append("audit policy: rules: must be a list with at least one rule")
            given = []
        rules = tuple(_rule(one, f"audit policy: rules[{index}]", faults) for index, one in enumerate(given))
        omitted = _stages(document, "audit policy", faults)
        if faults:
            raise ApiSettingsInvalid(faults)
        return cls(rules=rules, omitted=omitted)

    def decide(self, user: User, attributes: Attributes) -> tuple[Level, frozenset[Stage]]:
        """The level, and the stages of which nothing is written."""
        for rule in self.rules:
            if rule.fits(user, attributes):
                return rule.level, rule.omitted | self.omitted
        return Level.NONE, self.omitted


DEFAULT_POLICY = AuditPolicy(
    rules=(
        Rule(level=Level.NONE, paths=("/healthz*", "/livez*", "/readyz*", "/metrics", "/version", "/openapi*")),
        Rule(level=Level.NONE, paths=("/api", "/apis", "/apis/*"), verbs=("get",)),
        Rule(level=Level.METADATA),
    ),
    omitted=frozenset({Stage.REQUEST_RECEIVED}),
)
"""Who did what, without bodies: reports hold what nobody wants to find in a log."""


def _rule(document: object, path: str, faults: list[str]) -> Rule:
    if not isinstance(document, Mapping):
        faults.append(f"{path}: must be an object")
        return Rule(level=Level.NONE)
    faults += [f"{path}.{name}: is not known" for name in document if name not in _RULE]
    try:
        level = Level(document.get("level"))
    except ValueError:
        faults.append(f"{path}.level: must be one of {', '.join(one.value for one in Level)}")
        level = Level.NONE
    resources = document.get("resources") or []
    if not isinstance(resources, list) or not all(isinstance(one, Mapping) for one in resources):
        faults.append(f"{path}.resources: must be a list of objects")
        resources = []
    rule = Rule(
        level=level,
        users=_texts(document, "users", path, faults),
        groups=_texts(document, "userGroups", path, faults),
        verbs=_texts(document, "verbs", path, faults),
        namespaces=_texts(document, "namespaces", path, faults),
        paths=_texts(document, "nonResourceURLs", path, faults),
        omitted=_stages(document, path, faults),
        resources=tuple(
            GroupResources(
                group=str(one.get("group", "")),
                resources=_texts(one, "resources", f"{path}.resources[{index}]", faults),
                names=_texts(one, "resourceNames", f"{path}.resources[{index}]", faults),
            )
            for index, one in enumerate(cast("list[Mapping[str, object]]", resources))
        ),
    )
    if rule.paths and (rule.resources or rule.namespaces):
        faults.append(f"{path}: rules cannot apply to both regular resources and non-resource URLs")
    return rule


def _stages(document: Mapping[str, object], path: str, faults: list[str]) -> frozenset[Stage]:
    found = set()
    for name in _texts(document, "omitStages", path, faults):
        try:
            found.add(Stage(name))
        except ValueError:
            faults.append(f"{path}.omitStages: {name!r} is not one of {', '.join(one.value for one in Stage)}")
    return frozenset(found)


def _texts(document: Mapping[str, object], name: str, path: str, faults: list[str]) -> tuple[str, ...]:
    given = document.get(name) or []
    if not isinstance(given, Sequence) or isinstance(given, str) or not all(isinstance(one, str) for one in given):
        faults.append(f"{path}.{name}: must be a list of texts")
        return ()
    return tuple(given)


def _path_fits(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern
