"""The trust bundle as ClusterTrustBundles (KEP-3257): one for each set of roots; the present one carries the live label.

- A new one is made before an old one is touched. Once it was read back, old ones lose the label: who selects by it trusts them no
  more. They are deleted an overlap later, for those who name them.
- What carries no label of ours is not ours, whatever its signer.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kube.collections import Resource
from kube.documents import JsonObject, is_being_deleted, name_of, resource_version_of, text, texts, uid_of
from kube.projections import kept_metadata
from kube.trust.contents import Contents
from kube.trust.labels import PUBLISHED_BY, REGISTRAR, is_ours
from kube.trust.roots import Roots
from kube.trust.steps import Delete, Step, Update, step_towards
from kube.vocabulary import LIVE_LABEL, Signer

SIGNER = Signer.WORKLOAD.value
VERSIONS: Sequence[Resource] = tuple(
    Resource(group="certificates.k8s.io", version=version, plural="clustertrustbundles", namespaced=False)
    for version in ("v1", "v1beta1")
)
"""In the order in which they are preferred."""
_DIGITS = 16


@dataclass(slots=True, kw_only=True)
class Succession:
    """`overlap`, in seconds, is how long an old one stays. Used by one thread; begins anew with each process."""

    overlap: float
    _old_since: dict[str, float] = field(default_factory=dict)

    def steps(self, present: Sequence[JsonObject], roots: Roots, api_version: str, now: float) -> Sequence[Step]:
        """`present` are those of our signer, as they were read back."""
        name = name_for(roots)
        current = next((one for one in present if name_of(one) == name), None)
        step = step_towards(_document(name, roots, api_version), current, lambda ours: _correction(ours, roots))
        if step is not None:
            return (step,)
        if current is None or is_being_deleted(current):
            return ()
        others = [one for one in present if one is not current and is_ours(one)]
        self._old_since = {uid_of(one): self._old_since.get(uid_of(one), now) for one in others}
        return tuple(self._steps_of_old(others, now))

    def next_look(self, now: float) -> float | None:
        """In how many seconds one is to be deleted; None where there is none."""
        ends = [since + self.overlap - now for since in self._old_since.values()]
        return max(0.0, min(ends)) if ends else None

    def _steps_of_old(self, others: Sequence[JsonObject], now: float) -> Iterator[Step]:
        for one in others:
            if is_live(one):
                condition: JsonObject = {"resourceVersion": resource_version_of(one), "labels": {LIVE_LABEL: None}}
                yield Update(name=name_of(one), patch={"metadata": condition})
            elif now - self._old_since[uid_of(one)] >= self.overlap:
                yield Delete.of(one)


def name_for(roots: Roots) -> str:
    """Of the signer's own, as the API server demands: with `:` for the `/` of the signer's name."""
    digest = hashlib.sha256("".join(sorted(roots.fingerprints)).encode()).hexdigest()
    return f"{SIGNER.replace('/', ':')}:{digest[:_DIGITS]}"


def is_live(document: JsonObject) -> bool:
    return texts(document, "metadata", "labels").get(LIVE_LABEL) == "true" and not is_being_deleted(document)


def contents_of(document: JsonObject) -> Contents:
    return Contents.from_text(text(document, "spec", "trustBundle"))


def project(document: JsonObject) -> JsonObject:
    return {
        "metadata": kept_metadata(document, labels=(PUBLISHED_BY, LIVE_LABEL)),
        "spec": {"trustBundle": text(document, "spec", "trustBundle")},
    }


def _document(name: str, roots: Roots, api_version: str) -> JsonObject:
    return {
        "apiVersion": api_version,
        "kind": "ClusterTrustBundle",
        "metadata": {"name": name, "labels": {PUBLISHED_BY: REGISTRAR, LIVE_LABEL: "true"}},
        "spec": {"signerName": SIGNER, "trustBundle": roots.pem.decode()},
    }


def _correction(current: JsonObject, roots: Roots) -> Update | None:
    contents = contents_of(current)
    patch: JsonObject = {"metadata": {"resourceVersion": resource_version_of(current), "labels": {LIVE_LABEL: "true"}}}
    if contents.fingerprints != roots.fingerprints:
        patch["spec"] = {"trustBundle": roots.pem.decode()}
    elif is_live(current):
        return None
    return Update(name=name_of(current), patch=patch, was_garbage=contents.is_garbage)
