"""Who may have what: a YAML document of ordered rules, decisions that explain themselves, default deny.

- `reading`, `sections`, `pattern_lists`, `term_lists` and `document` take the document apart.
- `rules`, `terms` and `patterns` are what it becomes; `requests` and `decisions` are what goes in and comes out.
"""

from ca.policy.decisions import Decision, RuleEvaluation
from ca.policy.defaults import default_policy
from ca.policy.policy import Policy
from ca.policy.requests import Operation, PolicyRequest

__all__ = ["Decision", "Operation", "Policy", "PolicyRequest", "RuleEvaluation", "default_policy"]
