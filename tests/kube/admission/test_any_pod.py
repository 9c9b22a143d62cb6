"""Whatever pod comes in: the patch applies, nothing of the pod's own is touched, and twice is as good as once."""

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from kube.admission.errors import InjectionRefused, ReviewUnreadable
from kube.admission.reviews import parse_review, review
from tests.kube.admission.pods_for_tests import INJECTION, NEW, OLD, USUAL, injected, patched

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_UNKNOWN = st.dictionaries(st.sampled_from(["restartPolicy", "newer", "a/b~c", "resizePolicy"]), _JSON, max_size=3)
_MOUNTS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["data", "chancery-identity"]), "mountPath": st.sampled_from(["/a", "/b"])}
    ),
    max_size=2,
)


def _container(name: str) -> st.SearchStrategy[dict[str, Any]]:
    optional = {
        "volumeMounts": st.none() | _MOUNTS,
        "securityContext": st.none() | st.fixed_dictionaries({}, optional={"runAsUser": st.integers(0, 3)}),
    }
    known = st.fixed_dictionaries({"name": st.just(name)}, optional=optional)
    return st.builds(lambda one, other: {**other, **one}, known, _UNKNOWN)


def _containers(prefix: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.integers(0, 3).flatmap(
        lambda count: st.tuples(*(_container(f"{prefix}{n}") for n in range(count))).map(list)
    )


_VOLUMES = st.lists(
    st.sampled_from([{"name": "data", "emptyDir": {}}, {"name": "kept", "persistentVolumeClaim": {"claimName": "c"}}]),
    max_size=2,
)
_ANNOTATIONS = st.dictionaries(
    st.sampled_from(
        ["other", "chancery.dev/injected", "chancery.dev/duration", "chancery.dev/mode", "chancery.dev/dir"]
    ),
    st.sampled_from(["v1-sidecar", "v1-init", "2h", "sidecar", "init", "podCertificate", "/etc/tls", "bad value"]),
    max_size=4,
)
_SPEC = st.builds(
    lambda known, other: {**other, **known},
    st.fixed_dictionaries(
        {"containers": _containers("c")},
        optional={
            "initContainers": st.none() | _containers("i"),
            "volumes": st.none() | _VOLUMES,
            "securityContext": st.none() | st.fixed_dictionaries({}, optional={"fsGroup": st.integers(0, 3)}),
            "hostNetwork": st.booleans(),
            "restartPolicy": st.sampled_from(["Always", "Never"]),
        },
    ),
    st.dictionaries(st.sampled_from(["newer", "tolerations", "x/y"]), _JSON, max_size=2),
)
_PODS = st.fixed_dictionaries(
    {"spec": _SPEC},
    optional={
        "metadata": st.fixed_dictionaries({}, optional={"annotations": st.none() | _ANNOTATIONS}),
        "newer": _JSON,
    },
)


def _verify_reasons(refused: InjectionRefused) -> None:
    assert refused.faults
    assert all(fault.reason and fault.field and fault.message for fault in refused.faults)


def _keeps(before: Any, after: Any) -> None:
    """Everything of `before` is in `after`; lists may be longer at either end, null may have become something."""
    if isinstance(before, dict):
        assert isinstance(after, dict)
        for name, value in before.items():
            if name != "chancery.dev/injected":
                _keeps(value, after[name])
    elif isinstance(before, list):
        assert isinstance(after, list)
        start = next(n for n in range(len(after) - len(before) + 1) if not before or _alike(before[0], after[n]))
        for old, new in zip(before, after[start:], strict=False):
            _keeps(old, new)
    elif before is not None:
        assert before == after


def _alike(one: Any, other: Any) -> bool:
    return one == other or (isinstance(one, dict) and isinstance(other, dict) and one.get("name") == other.get("name"))


@settings(max_examples=300, deadline=None)
@given(pod=_PODS, features=st.sampled_from([OLD, USUAL, NEW]))
def test_patch_applies_keeps_the_pod_and_is_the_last(pod, features):
    try:
        once = patched(pod, features=features)
    except InjectionRefused as refused:
        _verify_reasons(refused)
        return

    _keeps(pod, once)
    assert injected(once, features=features).patch == ()


@settings(max_examples=300, deadline=None)
@given(pod=_JSON | st.dictionaries(st.sampled_from(["spec", "metadata"]), _JSON))
def test_what_is_no_pod_never_ends_in_a_surprise(pod):
    try:
        injected(pod if isinstance(pod, dict) else {"spec": pod})
    except InjectionRefused as refused:
        _verify_reasons(refused)


@settings(max_examples=300, deadline=None)
@given(request=st.dictionaries(st.sampled_from(["uid", "kind", "operation", "object", "namespace", "dryRun"]), _JSON))
def test_any_request_gets_an_answer_or_a_reason(request):
    body = orjson.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
    try:
        answer = review(parse_review(body), injection=INJECTION, features=USUAL)
    except ReviewUnreadable:
        return

    assert answer.document["response"]["uid"] == request["uid"]
