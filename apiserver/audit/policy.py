"""The audit policy: how much is written down of which request (audit.k8s.io/v1 Policy; k8s.io/apiserver/pkg/audit/policy).

- The first rule that fits decides; where none does, nothing is written.
- Every fault of a policy is told at once, and a field that is not known is one: a policy that loads does what it says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from apiserver.audit.policy_fields import Fields
from apiserver.errors import ApiSettingsInvalid
from apiserver.identity.user import Attributes, User
from apiserver.requests.names import subdomain_faults


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is written of a request: at this level, but nothing at the omitted stages, and objects without managed fields."""

    level: Level
    omitted: frozenset[Stage] = frozenset()
    omits_managed_fields: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupResources:
    """`group` may be `*`; `resources` may be `pods`, `pods/log`, `pods/*`, `*/status`, `*`; empty for all of the group."""

    group: str
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def fits(self, attributes: Attributes) -> bool:
        if self.group not in {attributes.group, "*"}:
            return False
        if not self.resources:
            return True
        if self.names and attributes.name not in self.names:
            return False
        # pods/* stands for pods as well, and only */status is a pattern of subresources: so it is upstream
        wanted = {attributes.resource, "*", f"{attributes.resource}/*"}
        if attributes.subresource:
            whole = f"{attributes.resource}/{attributes.subresource}"
            wanted = {whole, "*", f"*/{attributes.subresource}", f"{attributes.resource}/*"}
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
    omits_managed_fields: bool | None = None

    def fits(self, user: User | None, attributes: Attributes) -> bool:
        """`user` is None where nobody was authenticated: rules about users do not fit."""
        if self.users and (user is None or user.name not in self.users):
            return False
        if self.groups and (user is None or not any(group in self.groups for group in user.groups)):
            return False
        if self.verbs and attributes.verb not in self.verbs:
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
    """`omitted` is added to each rule's; `omits_managed_fields` is for rules that do not say."""

    rules: tuple[Rule, ...]
    omitted: frozenset[Stage] = frozenset()
    omits_managed_fields: bool = False

    @classmethod
    def from_document(cls, document: object) -> "AuditPolicy":
        """Raises ApiSettingsInvalid with all faults."""
        faults: list[str] = []
        fields = Fields.of(document, faults)
        fields.verify_known("apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields")
        if fields.text("kind") != "Policy" or fields.text("apiVersion") != "audit.k8s.io/v1":
            faults.append("audit policy: must be of kind Policy, apiVersion audit.k8s.io/v1")
        rules = tuple(_rule(one) for one in fields.objects("rules"))
        if not rules and not faults:
            faults.append("audit policy: rules: must have at least one rule, or nothing would ever be written")
        policy = cls(
            rules=rules, omitted=_stages(fields), omits_managed_fields=fields.truth("omitManagedFields") or False
        )
        if faults:
            raise ApiSettingsInvalid(faults)
        return policy

    def decide(self, user: User | None, attributes: Attributes) -> Decision:
        """How much is written of a request."""
        for rule in self.rules:
            if rule.fits(user, attributes):
                own = rule.omits_managed_fields
                return Decision(
                    level=rule.level,
                    omitted=rule.omitted | self.omitted,
                    omits_managed_fields=self.omits_managed_fields if own is None else own,
                )
        return Decision(level=Level.NONE, omitted=self.omitted)


DEFAULT_POLICY = AuditPolicy(
    rules=(
        Rule(
            level=Level.NONE,
            paths=("/healthz*", "/livez*", "/readyz*", "/metrics", "/version", "/version/", "/openapi*"),
            verbs=("get", "head"),
        ),
        Rule(level=Level.NONE, paths=("/api", "/api/", "/apis", "/apis/*"), verbs=("get", "head")),
        Rule(level=Level.METADATA),
    ),
    omitted=frozenset({Stage.REQUEST_RECEIVED}),
)
"""Who did what, without bodies: reports hold what nobody wants to find in a log. Health checks, scrapes and discovery are left
out, as they come by the second and say nothing about anybody; every other read is in, and so is whatever is refused."""


def _rule(fields: Fields) -> Rule:
    fields.verify_known(
        "level",
        "users",
        "userGroups",
        "verbs",
        "resources",
        "namespaces",
        "nonResourceURLs",
        "omitStages",
        "omitManagedFields",
    )
    level = Level.NONE
    try:
        level = Level(fields.text("level"))
    except ValueError:
        fields.fault("level", f"must be one of {', '.join(one.value for one in Level)}")
    rule = Rule(
        level=level,
        users=fields.texts("users"),
        groups=fields.texts("userGroups"),
        verbs=fields.texts("verbs"),
        resources=tuple(_group_resources(one) for one in fields.objects("resources")),
        namespaces=fields.texts("namespaces"),
        paths=fields.texts("nonResourceURLs"),
        omitted=_stages(fields),
        omits_managed_fields=fields.truth("omitManagedFields"),
    )
    for index, path in enumerate(rule.paths):
        if path != "*" and not path.startswith("/"):
            fields.fault(f"nonResourceURLs[{index}]", "must begin with a '/' character")
        if "*" in path[:-1]:
            fields.fault(f"nonResourceURLs[{index}]", "the wildcard '*' must be the final character")
    if rule.paths and (rule.resources or rule.namespaces):
        fields.fault("nonResourceURLs", "rules cannot apply to both regular resources and non-resource URLs")
    return rule


def _group_resources(fields: Fields) -> GroupResources:
    fields.verify_known("group", "resources", "resourceNames")
    found = GroupResources(
        group=fields.text("group"), resources=fields.texts("resources"), names=fields.texts("resourceNames")
    )
    if found.group not in {"", "*"}:
        for fault in subdomain_faults(found.group):
            fields.fault("group", f"{found.group!r}: {fault}")
    if found.names and not found.resources:
        fields.fault("resourceNames", "using resourceNames requires at least one resource")
    return found


def _stages(fields: Fields) -> frozenset[Stage]:
    known: Mapping[str, Stage] = {stage.value: stage for stage in Stage}
    names = fields.texts("omitStages")
    for index, name in enumerate(names):
        if name not in known:
            fields.fault(f"omitStages[{index}]", f"must be one of {', '.join(known)}")
    return frozenset(known[name] for name in names if name in known)


def _path_fits(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern
