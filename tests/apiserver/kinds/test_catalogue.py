import random

import pytest

from apiserver.kinds.catalogue import Catalogue, precedence
from tests.apiserver.kinds.manifests import load, manifest, version

# the order that Kubernetes documents for versions of a CustomResourceDefinition
IN_ORDER = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]


@pytest.mark.parametrize("seed", range(5))
def test_versions_come_in_the_order_of_kubernetes(seed):
    names = random.Random(seed).sample(IN_ORDER, len(IN_ORDER))

    assert sorted(names, key=precedence) == IN_ORDER


@pytest.mark.parametrize("name", ["v0", "v01", "v1beta0", "v1gamma1", "1", "v1beta"])
def test_what_only_looks_like_a_version_comes_last(name):
    assert precedence(name) > precedence("v1alpha1")


def test_kinds_are_found_by_group_version_and_plural(tmp_path):
    versions = [version("v1alpha1", storage=False), version("v1")]
    catalogue = Catalogue(load(tmp_path, manifest(versions=versions), manifest("atoms", "Atom", scope="Cluster")))

    assert catalogue.find("example.com", "v1alpha1", "things").version == "v1alpha1"
    assert catalogue.find("example.com", "v2", "things") is None
    assert catalogue.groups == {"example.com": ("v1", "v1alpha1")}
    assert [kind.names.plural for kind in catalogue.of_version("example.com", "v1")] == ["atoms", "things"]
    assert [kind.version for kind in catalogue.views("things.example.com")] == ["v1alpha1", "v1"]
    assert set(catalogue.storages) == {"things.example.com", "atoms.example.com"}
