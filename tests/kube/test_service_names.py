"""The DNS names of Services, written and read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.errors import MalformedName
from kube.service_names import NameForms, ServiceName

FORMS = NameForms()
OWN = ServiceName(namespace="shop", service="web")
HOST = ServiceName(namespace="shop", service="web", host="web-0")

labels = st.sampled_from(["web", "svc", "cluster", "local", "shop", "default", "kubernetes"])
hosts = labels | st.just("")
domains = st.lists(labels, min_size=1, max_size=3).map(".".join).filter(lambda domain: domain != "svc")
places = st.tuples(labels, labels, hosts).filter(lambda place: place[:2] != ("default", "kubernetes"))
forms = st.builds(NameForms, cluster_domain=domains, short_names=st.booleans())


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("web.shop", OWN),
        ("web.shop.svc", OWN),
        ("web.shop.svc.cluster.local", OWN),
        ("web-0.web.shop.svc", HOST),
        ("web-0.web.shop.svc.cluster.local", HOST),
        ("svc.local", ServiceName(namespace="local", service="svc")),
    ],
)
def test_each_form_is_read(name, meant):
    assert FORMS.read(name) == meant


@pytest.mark.parametrize(
    "name",
    [
        "web.shop.svc.example", "web.shop.svc.cluster", "web.shop.com", "web-0.web.shop", "a.b.web.shop.svc", "svc.cluster.local",
        "web.svc.cluster.local", "*.shop.svc", "*.shop", "web.*", "*.web.shop.svc.cluster.local", "",
    ],
)  # fmt: skip
def test_what_is_no_form_is_no_name_of_a_service(name):
    assert FORMS.read(name) is None


def test_name_without_a_namespace_is_relative_to_the_one_where_it_is_asked_for():
    assert FORMS.read("web", namespace="shop") == ServiceName(namespace="shop", service="web", is_relative=True)
    assert FORMS.read("web") is None


def test_without_short_names_svc_is_written_and_read_everywhere():
    forms = NameForms(short_names=False)

    assert [*forms.names("shop", "web")] == ["web.shop.svc", "web.shop.svc.cluster.local"]
    assert forms.read("web.shop") is None


def test_api_server_has_no_names_written_or_read():
    assert not [*FORMS.names("default", "kubernetes", host="web-0")]
    assert FORMS.read("kubernetes", namespace="default") is None
    assert not [name for name in ("kubernetes.default", "kubernetes.default.svc.cluster.local") if FORMS.read(name)]


def test_name_that_no_certificate_can_have_is_not_written():
    assert [*FORMS.names("42", "web")] == ["web.42.svc", "web.42.svc.cluster.local"]


@given(places, forms)
def test_what_is_written_is_read_back_to_the_same_service(place, forms):
    """So that no two Services have a name in common, and nobody refuses what another gives."""
    namespace, service, host = place

    written = [*forms.names(namespace, service, host=host)]

    assert len(set(written)) == (4 if host else 2) + forms.short_names
    for name in written:
        found = forms.read(name)
        assert found is not None
        assert found.place == (namespace, service)
        assert found.host in {"", host}


@given(st.lists(labels, min_size=1, max_size=7).map(".".join), forms)
def test_what_is_read_is_written_for_that_service(name, forms):
    found = forms.read(name)

    assert found is None or name in forms.names(found.namespace, found.service, host=found.host)


@pytest.mark.parametrize("text", ["", "svc", "*.local", "cluster local", "cluster.local."])
def test_domain_that_is_none_is_refused(text):
    with pytest.raises(MalformedName):
        NameForms.of(text, short_names=True)


def test_domain_is_normalised():
    assert NameForms.of("Cluster.Local", short_names=True) == FORMS
