"""The policy in force: ordered rules, the first that matches entirely decides, and nothing is allowed without one.

- A policy is immutable; the document that it was read from is kept with it.
- What the authority does on its own behalf is always allowed: whoever runs the process holds its keys.
"""

from dataclasses import dataclass

from ca.callers import Caller, CallerKind
from ca.errors import PolicyDenied
from ca.policy.decisions import Decision, RuleEvaluation
from ca.policy.document import parse_document
from ca.policy.requests import Operation, PolicyRequest, describe_request
from ca.policy.rules import AllowRule, DenyRule, Rule, cut_short
from certs.profiles import PROFILES


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`document` is the YAML text as it was read."""

    document: str
    rules: tuple[Rule, ...]

    @classmethod
    def parse(cls, document: str) -> "Policy":
        """Raises PolicyInvalid with every fault of the document; never anything else."""
        return cls(document=document, rules=parse_document(document))

    def decide(self, request: PolicyRequest) -> Decision:
        """Allow or deny, with the reason; issues nothing and remembers nothing."""
        if request.caller.kind is CallerKind.LOCAL:
            return Decision(allowed=True, explanation=f"the authority itself is allowed: {describe_request(request)}")
        evaluations: list[RuleEvaluation] = []
        for rule in self.rules:
            evaluation = rule.evaluate(request)
            evaluations.append(evaluation)
            if evaluation.matched:
                return _decided_by(rule, request, tuple(evaluations))
        return Decision(allowed=False, explanation=_unmatched(request, evaluations), evaluations=tuple(evaluations))

    def verify(self, request: PolicyRequest) -> Decision:
        """As `decide`. Raises PolicyDenied, with the explanation and the rule that denied, unless it is allowed."""
        decision = self.decide(request)
        if not decision.allowed:
            raise PolicyDenied(decision.explanation, rule=decision.rule or "")
        return decision

    def profiles_for(self, caller: Caller) -> tuple[str, ...]:
        """The profiles that some rule lets the caller ask for; which names come with them is for `decide`."""
        return tuple(name for name in PROFILES if self._may_ask(caller, name))

    def _may_ask(self, caller: Caller, profile: str) -> bool:
        request = PolicyRequest(caller=caller, operation=Operation.ISSUE, profile=profile)
        for rule in self.rules:
            if request.operation in rule.operations and rule.lists_profile(request) and rule.matches_caller(caller):
                if isinstance(rule, AllowRule):
                    return True
                if rule.is_unconditional:
                    return False
        return caller.kind is CallerKind.LOCAL


def _decided_by(rule: Rule, request: PolicyRequest, evaluations: tuple[RuleEvaluation, ...]) -> Decision:
    asked = describe_request(request)
    if isinstance(rule, DenyRule):
        listed = cut_short(list(rule.denied_names(request)))
        reason = f": it lists {', '.join(listed)}" if listed else ""
        return Decision(
            allowed=False,
            rule=rule.name,
            explanation=f"rule '{rule.name}' does not allow {asked}{reason}",
            evaluations=evaluations,
        )
    return Decision(
        allowed=True,
        rule=rule.name,
        explanation=f"rule '{rule.name}' allows {asked}",
        evaluations=evaluations,
        maximum_lifetime=rule.maximum_lifetime,
    )


def _unmatched(request: PolicyRequest, evaluations: list[RuleEvaluation]) -> str:
    nearest = max(evaluations, key=lambda evaluation: evaluation.nearness, default=None)
    if nearest is None or nearest.nearness <= 0:
        return f"no rule allows {describe_request(request)}: no rule matches the caller"
    faults = " and not ".join(nearest.mismatches)
    return f"no rule allows {describe_request(request)}: rule '{nearest.rule}' matches the caller, but not {faults}"
