"""What becomes of one object that may hold a `caBundle`: document and roots in, a patch, a refusal or nothing out.

- Only objects that carry the label, and only the one field of each, are ever written; and only where it differs.
- Every patch holds the resourceVersion that it was decided on: who was faster is read first.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from kube.cluster import PatchKind
from kube.documents import JsonObject, is_being_deleted, texts
from kube.injection.kinds import Field, LeftAlone, TargetKind
from kube.trust.roots import Roots
from kube.vocabulary import INJECT_LABEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """`fields` names what changes; `garbage` is those of them that held what nobody can trust by."""

    patch: JsonObject
    kind: PatchKind
    fields: tuple[str, ...]
    garbage: tuple[str, ...] = ()


Decision = Injection | LeftAlone | None


def decide(kind: TargetKind, document: JsonObject, roots: Roots) -> Decision:
    """None: nothing is to be done."""
    if not is_opted_in(document):
        return None
    fields = kind.fields(document)
    if isinstance(fields, LeftAlone):
        return fields
    wanting = [one for one in fields if one.contents.fingerprints != roots.fingerprints]
    if not wanting:
        return None
    return Injection(
        patch=kind.patch(document, wanting, base64.b64encode(roots.pem).decode()),
        kind=kind.patch_kind,
        fields=tuple(one.name for one in wanting),
        garbage=tuple(one.name for one in wanting if one.contents.is_garbage),
    )


def is_opted_in(document: JsonObject) -> bool:
    """What is being deleted is not."""
    return texts(document, "metadata", "labels").get(INJECT_LABEL) == "true" and not is_being_deleted(document)


def held(fields: Sequence[Field]) -> frozenset[str]:
    """Fingerprints of what every field has."""
    return frozenset.intersection(*(one.contents.fingerprints for one in fields)) if fields else frozenset()
