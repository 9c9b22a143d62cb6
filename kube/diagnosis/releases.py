"""Helm's releases, by the labels of its Secrets alone: what is in them is never read."""

from collections.abc import Iterator, Sequence

from kube.diagnosis.findings import Cause, Finding, fine, problem
from kube.documents import JsonObject, texts

_PENDING = {"pending-install", "pending-upgrade", "pending-rollback", "uninstalling"}


def judge_releases(secrets: Sequence[JsonObject], names: frozenset[str], *, namespace: str) -> Iterator[Finding]:
    """`names` are the releases that are ours; empty: all in `namespace`, of which `secrets` are."""
    by_release: dict[str, dict[int, str]] = {}
    for one in secrets:
        labels = texts(one, "metadata", "labels")
        version = labels.get("version", "")
        if labels.get("owner") == "helm" and version.isascii() and version.isdecimal():
            by_release.setdefault(labels.get("name", ""), {})[int(version)] = labels.get("status", "")
    for release, versions in sorted(by_release.items()):
        if not names or release in names:
            yield _judge(release, versions, f"--namespace {namespace}")


def _judge(release: str, versions: dict[int, str], where: str) -> Finding:
    label, latest = f"release {release}", max(versions)
    status = versions[latest]
    good = [version for version, said in versions.items() if said in {"deployed", "superseded"} and version < latest]
    back = (
        f"go back: helm rollback {release} {max(good)} {where}"
        if good
        else f"it never was whole: helm uninstall {release} {where}, and install it again; keys and volumes stay"
    )
    if status in _PENDING:
        return problem(
            label,
            Cause.RELEASE_PENDING,
            f"revision {latest} is {status}: helm was stopped half-way, and refuses to do anything until that is settled",
            f"see that no helm is at work; then {back}",
        )
    if status == "failed":
        return problem(
            label,
            Cause.RELEASE_FAILED,
            f"revision {latest} failed: what it changed before is in the cluster",
            f"see helm status {release} {where} for why, and upgrade again; or {back}",
        )
    return fine(label, f"revision {latest} is {status}")
