"""What reports of the storage API come to: results by outcome, findings by severity. Pure: documents in, counts out.

- A report was written by anybody who may: what is missing or of another type counts for nothing.
- Where a report has a summary of its own it is believed; where it has none its results are counted.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kube.collections import Resource
from kube.documents import JsonObject, JsonValue, mapping, name_of, namespace_of, objects, text

RESULTS = ("pass", "fail", "warn", "error", "skip")
SEVERITIES = ("critical", "high", "medium", "low", "info", "unknown")
_OUTCOMES_THAT_COUNT = frozenset({"fail", "warn", "error"})
_SEVERITY_OF = {"negligible": "info", "none": "info", "unspecified": "unknown"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """One report's. `severities` are of what did not pass; `subject` is what was looked at."""

    kind: str
    namespace: str
    name: str
    subject: str = ""
    results: Mapping[str, int]
    severities: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportKind:
    """`resources` show the same objects, in several versions or groups: the first that is served is asked for."""

    name: str
    resources: Sequence[Resource]
    count: Callable[[JsonObject], tuple[Mapping[str, int], Mapping[str, int]]]

    def counts(self, document: JsonObject) -> Counts:
        results, severities = self.count(document)
        return Counts(
            kind=self.name,
            namespace=namespace_of(document),
            name=name_of(document),
            subject=_subject(document),
            results=results,
            severities=severities,
        )


def _policy_report(document: JsonObject) -> tuple[Mapping[str, int], Mapping[str, int]]:
    found = objects(document, "results")
    summary = mapping(document, "summary")
    counted = Counter(text(one, "result") for one in found)
    results = {name: _number(summary.get(name)) if name in summary else counted[name] for name in RESULTS}
    severities: Counter[str] = Counter()
    for one in found:
        if text(one, "result") in _OUTCOMES_THAT_COUNT:
            severities[_severity(text(one, "severity"))] += 1
    return results, {name: severities[name] for name in SEVERITIES}


def _manifest_summary(document: JsonObject) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Kubescape's: `spec.severities.critical.all`."""
    severities: Counter[str] = Counter()
    for name, counted in mapping(document, "spec", "severities").items():
        severities[_severity(name)] += _number(mapping(counted).get("all"))
    return {}, {name: severities[name] for name in SEVERITIES}


def _trivy_report(document: JsonObject) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Trivy operator's: `report.summary.criticalCount`."""
    severities: Counter[str] = Counter()
    for name, counted in mapping(document, "report", "summary").items():
        if name.endswith("Count"):
            severities[_severity(name.removesuffix("Count"))] += _number(counted)
    return {}, {name: severities[name] for name in SEVERITIES}


def _both(plural: str, open_plural: str, *, namespaced: bool) -> Sequence[Resource]:
    return (
        Resource(group="wgpolicyk8s.io", version="v1alpha2", plural=plural, namespaced=namespaced),
        Resource(group="openreports.io", version="v1alpha1", plural=open_plural, namespaced=namespaced),
    )


KINDS: Sequence[ReportKind] = (
    ReportKind(name="policy", resources=_both("policyreports", "reports", namespaced=True), count=_policy_report),
    ReportKind(
        name="cluster-policy",
        resources=_both("clusterpolicyreports", "clusterreports", namespaced=False),
        count=_policy_report,
    ),
    ReportKind(
        name="vulnerability",
        resources=(
            Resource(
                group="spdx.softwarecomposition.kubescape.io",
                version="v1beta1",
                plural="vulnerabilitymanifestsummaries",
            ),
        ),
        count=_manifest_summary,
    ),
    ReportKind(
        name="trivy",
        resources=(Resource(group="aquasecurity.github.io", version="v1alpha1", plural="vulnerabilityreports"),),
        count=_trivy_report,
    ),
)


def reduced(document: JsonObject) -> JsonObject:
    """What counting needs, of a report of any kind."""
    results: list[JsonValue] = [
        {"result": text(one, "result"), "severity": text(one, "severity")} for one in objects(document, "results")
    ]
    return {
        "scope": {key: text(document, "scope", key) for key in ("kind", "name")},
        "summary": mapping(document, "summary"),
        "results": results,
        "spec": {"severities": mapping(document, "spec", "severities")},
        "report": {"summary": mapping(document, "report", "summary")},
    }


def totals(counted: Sequence[Counts]) -> Sequence[Counts]:
    """One for each kind and namespace; `name` is how many reports there are."""
    by_place: dict[tuple[str, str], list[Counts]] = {}
    for one in counted:
        by_place.setdefault((one.kind, one.namespace), []).append(one)
    return [
        Counts(
            kind=kind,
            namespace=namespace,
            name=str(len(those)),
            results=_sum([one.results for one in those]),
            severities=_sum([one.severities for one in those]),
        )
        for (kind, namespace), those in sorted(by_place.items())
    ]


def _sum(counts: Sequence[Mapping[str, int]]) -> Mapping[str, int]:
    return {
        name: sum(one.get(name, 0) for one in counts) for name in dict.fromkeys(key for one in counts for key in one)
    }


def _subject(document: JsonObject) -> str:
    scope = mapping(document, "scope")
    kind, name = text(scope, "kind"), text(scope, "name")
    return f"{kind}/{name}" if kind and name else ""


def _severity(said: str) -> str:
    name = _SEVERITY_OF.get(said.lower(), said.lower())
    return name if name in SEVERITIES else "unknown"


def _number(value: JsonValue) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
