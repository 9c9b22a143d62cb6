"""Which namespaces get the trust bundle."""

import pytest

from kube.trust.opting_in import OptingIn

LABELLED = {"metadata": {"name": "shop", "labels": {"chancery.dev/inject": "true"}}}
PLAIN = {"metadata": {"name": "shop"}}


@pytest.mark.parametrize(
    ("namespace", "has_pod", "expected"),
    [
        (LABELLED, False, True),
        (PLAIN, True, True),
        (PLAIN, False, False),
        ({"metadata": {"labels": {"chancery.dev/inject": "false"}}}, False, False),
        ({"metadata": {"labels": {"chancery.dev/inject": "false"}}}, True, True),
        ({"metadata": {"labels": {"chancery.dev/inject": "True"}}}, False, False),
        ({"metadata": {"labels": {"chancery.dev/inject": "true"}, "deletionTimestamp": "now"}}, True, False),
        (None, True, False),
    ],
)
def test_label_on_the_namespace_or_on_a_pod_in_it_opts_in(namespace, has_pod, expected):
    assert OptingIn().includes("shop", namespace, has_pod=has_pod) is expected


def test_listed_namespaces_have_it_and_without_labels_they_alone():
    listed = OptingIn(listed=frozenset({"shop"}), by_label=False)

    assert listed.includes("shop", PLAIN, has_pod=False)
    assert not listed.includes("bank", LABELLED, has_pod=True)
    assert OptingIn(listed=frozenset({"shop"})).includes("bank", LABELLED, has_pod=False)
