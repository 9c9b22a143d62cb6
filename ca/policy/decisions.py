"""What policy answers.

- A decision explains itself in one sentence, whichever way it went.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEvaluation:
    """Whether one rule matched; `mismatches` complete the sentence “the rule matches the caller, but not …”.

    `nearness` says how far the rule went before it failed: the greater, the nearer it was to deciding.
    """

    rule: str
    matched: bool
    mismatches: tuple[str, ...] = ()
    nearness: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`rule` is the one that decided, None where none matched; `evaluations` go up to it, in the document's order.

    `maximum_lifetime` is the deciding rule's cap, which also holds where no lifetime was asked for; None leaves the
    profile's.
    """

    allowed: bool
    explanation: str
    rule: str | None = None
    evaluations: tuple[RuleEvaluation, ...] = ()
    maximum_lifetime: timedelta | None = None
