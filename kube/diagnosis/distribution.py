"""The authority's roots where clients look for them: their Secret, ConfigMaps of namespaces, ClusterTrustBundles."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from kube.diagnosis.bundles import Bundle, judge_ends
from kube.diagnosis.findings import Cause, Finding, Severity, fine, problem, skipped, warning
from kube.diagnosis.text import instant
from kube.documents import JsonObject, mapping, name_of, namespace_of, text
from kube.trust.cluster_trust_bundles import is_live
from kube.trust.config_maps import KEY, NAME
from kube.trust.labels import is_ours

_SHOWN = 5
_HINT = "the registrar writes it within seconds: see whether it leads, and what Events of the object say"


def judge_roots_secret(name: str, secret: JsonObject | None, *, at: datetime) -> Sequence[Finding]:
    """What new pods believe the authority by."""
    label = f"Secret/{name}"
    hint = (
        "the authority writes it at its start and keeps it: see its log, and its right to create and update this Secret"
    )
    if secret is None:
        return [problem(label, Cause.ROOTS_SECRET_MISSING, "there is none: pods that mount it do not start", hint)]
    bundle = Bundle.from_base64(mapping(secret, "data").get(KEY))
    if bundle.fault or not bundle.certificates:
        return [
            problem(
                label, Cause.ROOTS_SECRET_MISSING, f"its {KEY} holds no roots: {bundle.fault or 'it is empty'}", hint
            )
        ]
    found = list(judge_ends(label, bundle.certificates, at=at))
    return found or [fine(label, _holds(bundle), ends=bundle.not_after)]


def judge_config_maps(
    config_maps: Sequence[JsonObject], opted_in: frozenset[str], roots: Bundle | None
) -> Sequence[Finding]:
    """`config_maps` are those named chancery-roots; `opted_in` the namespaces that shall have one. At least one finding."""
    label = f"ConfigMap/{NAME}"
    by_namespace = {namespace_of(one): one for one in config_maps}
    found = []
    if missing := sorted(opted_in - by_namespace.keys()):
        found.append(_not_distributed(label, "missing in", missing, _HINT))
    foreign = sorted(name for name, one in by_namespace.items() if name in opted_in and not is_ours(one))
    if foreign:
        hint = (
            f"somebody else's has the name, and is not touched: rename it, or delete it where nobody needs it; {_HINT}"
        )
        found.append(_not_distributed(label, "not the registrar's in", foreign, hint))
    ours = {name: Bundle.from_text(mapping(one, "data").get(KEY)) for name, one in by_namespace.items() if is_ours(one)}
    if broken := sorted(name for name, one in ours.items() if one.fault or not one.certificates):
        found.append(_not_distributed(label, "without certificates in", broken, _HINT))
    if roots is not None:
        stale = sorted(
            name for name, one in ours.items() if one.certificates and one.fingerprints != roots.fingerprints
        )
        if stale:
            found.append(_not_distributed(label, "other roots than the authority's in", stale, _HINT))
    return found or [fine(label, f"in {len(ours)} namespaces" + (", with the authority's roots" if roots else ""))]


def judge_cluster_trust_bundles(bundles: Sequence[JsonObject] | None, roots: Bundle | None) -> Iterator[Finding]:
    """`bundles` are those of our signer, None where the API server does not know the kind."""
    label = "ClusterTrustBundle"
    if bundles is None:
        yield skipped(label, "this cluster has no ClusterTrustBundles; the ConfigMaps do without")
        return
    live = [one for one in bundles if is_ours(one) and is_live(one)]
    if not live:
        yield problem(label, Cause.ROOTS_NOT_DISTRIBUTED, "none is live: pods that project one do not start", _HINT)
    for one in live:
        bundle, place = Bundle.from_text(text(one, "spec", "trustBundle")), f"{label}/{name_of(one)}"
        if bundle.fault or not bundle.certificates or (roots is not None and bundle.fingerprints != roots.fingerprints):
            yield warning(place, Cause.ROOTS_NOT_DISTRIBUTED, "its roots are not the authority's", _HINT)
        else:
            yield fine(place, _holds(bundle), ends=bundle.not_after)


def _not_distributed(label: str, how: str, namespaces: Sequence[str], hint: str) -> Finding:
    more = f" and {len(namespaces) - _SHOWN} more" if len(namespaces) > _SHOWN else ""
    return Finding(
        target=label,
        severity=Severity.PROBLEM,
        cause=Cause.ROOTS_NOT_DISTRIBUTED,
        summary=f"{how} {', '.join(namespaces[:_SHOWN])}{more}",
        hint=hint,
    )


def _holds(bundle: Bundle) -> str:
    ends = f", until {instant(bundle.not_after)}" if bundle.not_after else ""
    return f"{len(bundle.certificates)} {'root' if len(bundle.certificates) == 1 else 'roots'}{ends}"
