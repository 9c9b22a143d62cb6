"""One rule, and whether it matches a request.

- A rule that allows matches when everything asked for is listed; one that denies, when anything listed is asked for.
- A rule stops at the first of caller, operation, profile that does not match, and then lists every further fault.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from ca.callers import Caller, CallerKind
from ca.policy.decisions import RuleEvaluation
from ca.policy.lifetimes import format_lifetime
from ca.policy.requests import Operation, PolicyRequest, describe_name
from ca.policy.terms import PatternList, Terms
from certs.keys import KeyType

_MISMATCHES_SHOWN = 5
_NEARER = 1000  # than any number of names that a request may hold


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerMatcher:
    """Callers of these kinds for whom every condition holds; None is no condition, others want names of the caller's own."""

    kinds: frozenset[CallerKind]
    common_names: PatternList | None = None
    organizations: PatternList | None = None
    spiffe_ids: PatternList | None = None
    namespaces: PatternList | None = None
    service_accounts: PatternList | None = None

    def matches(self, caller: Caller, *, guarded: bool) -> bool:
        if caller.kind not in self.kinds:
            return False
        if self.organizations is not None and not any(
            self.organizations.admits(name, caller, guarded=guarded) for name in caller.organizations
        ):
            return False
        spiffe_id = None if caller.spiffe_id is None else str(caller.spiffe_id)
        return all(
            condition is None or (value is not None and condition.admits(value, caller, guarded=guarded))
            for condition, value in (
                (self.common_names, caller.common_name),
                (self.spiffe_ids, spiffe_id),
                (self.namespaces, caller.namespace),
                (self.service_accounts, caller.service_account),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileList:
    """`names` are listed, with what `*` reaches among them; `every` is whether `*` stands there."""

    names: frozenset[str] = frozenset()
    every: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowRule:
    """`key_types` None leaves the choice, and `maximum_lifetime` None the limit, to the profile."""

    name: str
    callers: tuple[CallerMatcher, ...]
    operations: frozenset[Operation]
    profiles: ProfileList = field(default_factory=ProfileList)
    terms: Terms = field(default_factory=Terms)
    key_types: frozenset[KeyType] | None = None
    maximum_lifetime: timedelta | None = None

    def matches_caller(self, caller: Caller) -> bool:
        return any(matcher.matches(caller, guarded=True) for matcher in self.callers)

    def lists_profile(self, request: PolicyRequest) -> bool:
        """`*` reaches every profile, yet for certificates only those of ordinary leaves."""
        if request.profile is None:
            return not request.operation.makes_a_certificate
        return request.profile in self.profiles.names or (
            self.profiles.every and not request.operation.confers_identity
        )

    def evaluate(self, request: PolicyRequest) -> RuleEvaluation:
        if not self.matches_caller(request.caller):
            return _missed(self.name, 0, [f"caller {request.caller.name}"])
        if request.operation not in self.operations:
            return _missed(self.name, 1, [f"operation {request.operation.value}"])
        if not self.lists_profile(request):
            return _missed(self.name, 2, [f"profile {request.profile}"])
        faults = [*self._unlisted_names(request), *self._other_faults(request)]
        return _missed(self.name, 3, faults) if faults else RuleEvaluation(rule=self.name, matched=True)

    def _unlisted_names(self, request: PolicyRequest) -> Iterable[str]:
        guarded = request.operation.confers_identity
        return (
            describe_name(kind, text) for kind, text, listed in self.terms.judge(request, guarded=guarded) if not listed
        )

    def _other_faults(self, request: PolicyRequest) -> Iterable[str]:
        if self.key_types is not None and request.key_type not in self.key_types and _concerns_a_key(request):
            yield "a key type left open" if request.key_type is None else f"key type {request.key_type.value}"
        if (
            self.maximum_lifetime is not None
            and request.lifetime is not None
            and request.lifetime > self.maximum_lifetime
        ):
            yield f"lifetime {format_lifetime(request.lifetime)} (at most {format_lifetime(self.maximum_lifetime)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class DenyRule:
    """`profiles` and `key_types` None are all of them; empty `terms` deny whatever the names are."""

    name: str
    callers: tuple[CallerMatcher, ...]
    operations: frozenset[Operation]
    profiles: ProfileList | None = None
    terms: Terms = field(default_factory=Terms)
    key_types: frozenset[KeyType] | None = None

    @property
    def is_unconditional(self) -> bool:
        """Whether nothing but caller, operation and profile matters."""
        return self.terms.is_empty and self.key_types is None

    def matches_caller(self, caller: Caller) -> bool:
        return any(matcher.matches(caller, guarded=False) for matcher in self.callers)

    def lists_profile(self, request: PolicyRequest) -> bool:
        if self.profiles is None or self.profiles.every:
            return True
        if request.profile is None:
            return request.operation.makes_a_certificate
        return request.profile in self.profiles.names

    def evaluate(self, request: PolicyRequest) -> RuleEvaluation:
        """A match's `mismatches` are empty; `denied_names` says what it was that matched."""
        if not self.matches_caller(request.caller):
            return _missed(self.name, 0, [f"caller {request.caller.name}"])
        if request.operation not in self.operations:
            return _missed(self.name, 0, [f"operation {request.operation.value}"])
        if not self.lists_profile(request):
            return _missed(self.name, 0, [f"profile {request.profile}"])
        if not self._lists_key_type(request):
            return _missed(self.name, 0, [f"key type {'none' if request.key_type is None else request.key_type.value}"])
        if not self.terms.is_empty and not self.denied_names(request):
            return _missed(self.name, 0, ["any name asked for"])
        return RuleEvaluation(rule=self.name, matched=True)

    def denied_names(self, request: PolicyRequest) -> tuple[str, ...]:
        return tuple(
            describe_name(kind, text) for kind, text, listed in self.terms.judge(request, guarded=False) if listed
        )

    def _lists_key_type(self, request: PolicyRequest) -> bool:
        if self.key_types is None:
            return True
        return _concerns_a_key(request) if request.key_type is None else request.key_type in self.key_types


Rule = AllowRule | DenyRule


def cut_short(faults: list[str]) -> tuple[str, ...]:
    """The first few, and how many more there are: a request of a hundred names must not fill the log."""
    hidden = len(faults) - _MISMATCHES_SHOWN
    return (*faults[:_MISMATCHES_SHOWN], f"{hidden} more") if hidden > 0 else tuple(faults)


def _concerns_a_key(request: PolicyRequest) -> bool:
    return request.key_type is not None or request.operation.makes_a_certificate


def _missed(rule: str, stage: int, faults: list[str]) -> RuleEvaluation:
    return RuleEvaluation(
        rule=rule, matched=False, mismatches=cut_short(faults), nearness=stage * _NEARER - (len(faults) if stage else 0)
    )
