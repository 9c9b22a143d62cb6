"""AdmissionReviews (admission.k8s.io/v1): what is asked is answered, by its uid, or refused as no review.

- Only the creation of pods is ours; whatever else is asked about goes through unchanged.
- What a small body would make of itself in memory is bounded before it is read: values by the commas between them.
- A refusal carries each reason as a cause, and all of them in the message, which is what kubectl shows.
"""

import base64
from dataclasses import dataclass

import orjson

from kube.admission.errors import InjectionRefused, ReviewUnreadable, ReviewVersionUnknown
from kube.admission.features import ClusterFeatures
from kube.admission.injection import LEFT_ALONE, Injected, inject
from kube.admission.names import Mode
from kube.admission.settings import Injection
from kube.documents import JsonObject, JsonValue, mapping, text

API_VERSION = "admission.k8s.io/v1"

MOST_VALUES = 200_000
"""A value takes up to forty times as much room in memory as in a body. A pod has hundreds."""

_LONGEST_UID = 256
_LONGEST_MESSAGE = 2000
_MOST_CAUSES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """`document` is the AdmissionReview to answer with; the rest is for log and metrics."""

    document: JsonObject
    namespace: str
    mode: Mode | None
    patched: bool
    refusal: InjectionRefused | None
    dry_run: bool


def parse_review(body: bytes) -> JsonObject:
    """The request of a review. Raises ReviewUnreadable, ReviewVersionUnknown."""
    if body.count(b",") > MOST_VALUES:
        raise ReviewUnreadable(f"the body has more than {MOST_VALUES} values, which no pod needs")
    try:
        document: JsonValue = orjson.loads(body)
    except orjson.JSONDecodeError as err:
        raise ReviewUnreadable(f"the body is not JSON: {err}") from err
    if not isinstance(document, dict) or document.get("kind") != "AdmissionReview":
        raise ReviewUnreadable("the body is not an AdmissionReview")
    version = document.get("apiVersion")
    if version != API_VERSION:
        raise ReviewVersionUnknown(f"AdmissionReview of {str(version)[:80]!r} is not understood; send {API_VERSION}")
    request = document.get("request")
    if not isinstance(request, dict) or not 0 < len(text(request, "uid")) <= _LONGEST_UID:
        raise ReviewUnreadable("the AdmissionReview has no request with a uid")
    return request


def review(request: JsonObject, *, injection: Injection, features: ClusterFeatures | None) -> Reviewed:
    """Raises FeaturesUnknown, and ReviewUnreadable for the creation of a pod that is none."""
    namespace = text(request, "namespace")
    refusal: InjectionRefused | None = None
    result = LEFT_ALONE
    if _creates_pod(request):
        document = request.get("object")
        if not isinstance(document, dict):
            raise ReviewUnreadable("the review is of a pod that it does not hold")
        try:
            result = inject(document, namespace=namespace, injection=injection, features=features)
        except InjectionRefused as err:
            refusal = err
    uid = text(request, "uid")
    return Reviewed(
        document=_answer(_allowed(uid, result) if refusal is None else _denied(uid, refusal)),
        namespace=namespace,
        mode=result.mode,
        patched=bool(result.patch),
        refusal=refusal,
        dry_run=request.get("dryRun") is True,
    )


def _creates_pod(request: JsonObject) -> bool:
    kind = mapping(request, "kind")
    is_pod = (kind.get("group") or "", kind.get("version"), kind.get("kind")) == ("", "v1", "Pod")
    return is_pod and request.get("operation") == "CREATE" and not request.get("subResource")


def _answer(response: JsonObject) -> JsonObject:
    return {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response}


def _allowed(uid: str, result: Injected) -> JsonObject:
    response: JsonObject = {"uid": uid, "allowed": True}
    if result.patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(orjson.dumps(result.patch)).decode()
    if result.warnings:
        response["warnings"] = [*result.warnings]
    return response


def _denied(uid: str, refusal: InjectionRefused) -> JsonObject:
    causes: list[JsonValue] = [
        {"reason": fault.reason, "field": fault.field, "message": fault.message}
        for fault in refusal.faults[:_MOST_CAUSES]
    ]
    status: JsonObject = {
        "code": 400,
        "reason": "BadRequest",
        "message": str(refusal)[:_LONGEST_MESSAGE],
        "details": {"causes": causes},
    }
    return {"uid": uid, "allowed": False, "status": status}
