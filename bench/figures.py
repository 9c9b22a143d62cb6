"""Figures, and the budgets they stand beside, as a table for people and JSON for programs."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Verdict(StrEnum):
    """How a figure compares with its budget."""

    WITHIN = "within"
    OVER = "OVER"
    NONE = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value. `goal` is the number of a budget in the performance goals, `at_least` its direction."""

    section: str
    name: str
    value: float
    unit: str
    goal: int | None = None
    budget: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        if self.budget is None:
            return Verdict.NONE
        within = self.value >= self.budget if self.at_least else self.value <= self.budget
        return Verdict.WITHIN if within else Verdict.OVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """What was not measured, and what is missing for it."""

    section: str
    name: str
    reason: str


Finding = Figure | Skipped


def render(findings: Iterable[Finding]) -> str:
    """A table with one line for each finding, sections apart."""
    lines: list[str] = []
    section = ""
    for finding in findings:
        if finding.section != section:
            section = finding.section
            lines += ["", section]
        lines.append(_skipped_line(finding) if isinstance(finding, Skipped) else _figure_line(finding))
    return "\n".join(lines)


def write_json(path: Path, environment: dict[str, object], findings: Sequence[Finding]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"environment": environment, "findings": [_as_json(finding) for finding in findings]}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _as_json(finding: Finding) -> dict[str, object]:
    fields = dataclasses.asdict(finding)
    return fields if isinstance(finding, Skipped) else {**fields, "verdict": finding.verdict.value}


def _figure_line(figure: Figure) -> str:
    budget = ""
    if figure.budget is not None:
        sign = "≥" if figure.at_least else "≤"
        goal = f" (goal {figure.goal})" if figure.goal is not None else ""
        budget = f"{sign} {figure.budget:g} {figure.verdict.value}{goal}"
    return f"  {figure.name:<64} {_number(figure.value):>9} {figure.unit:<10} {budget:<26} {figure.note}".rstrip()


def _skipped_line(skipped: Skipped) -> str:
    return f"  {skipped.name:<64} {'skipped':>9} {skipped.reason}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
