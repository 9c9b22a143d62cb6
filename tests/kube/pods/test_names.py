"""Which DNS names a pod may have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.names import SubjectAlternativeNames
from kube.pods.names import MAX_DNS_NAMES, asked_names, names_of
from kube.pods.records import PodRecord, ServiceRecord
from kube.service_names import NameForms
from tests.kube.pods import documents


def names(pod, *services, short_names=True):
    records = [ServiceRecord.from_document(service) for service in services]
    return names_of(PodRecord.from_document(pod), records, NameForms(short_names=short_names))


def asking(text, **fields):
    return documents.pod(annotations={"chancery.dev/dns": text}, **fields)


def test_pod_has_the_names_of_the_service_that_selects_it():
    allowed = names(documents.pod(), documents.service()).allowed

    assert allowed == ("web.shop", "web.shop.svc", "web.shop.svc.cluster.local")


def test_short_names_can_be_done_without():
    allowed = names(documents.pod(), documents.service(), short_names=False).allowed

    assert allowed == ("web.shop.svc", "web.shop.svc.cluster.local")


def test_name_of_the_service_alone_is_none_even_if_asked_for():
    found = names(asking("web"), documents.service())

    assert (found.allowed, found.refused) == ((), ("web",))


@pytest.mark.parametrize(
    "service",
    [
        documents.service(selector={}),
        documents.service(selector={"app": "cart"}),
        documents.service(selector={"app": "web", "tier": "front"}),
        documents.service(selector={"app": 1}),
        documents.service(selector={"app": "web", "tier": 1}),
        documents.service(selector=[["app", "web"]]),
        documents.service(namespace="bank"),
        documents.service(spec={"type": "ExternalName", "externalName": "bank.example"}),
        {"metadata": {"name": "web", "namespace": "shop"}},
        {"metadata": {"name": "web", "namespace": "shop"}, "spec": None},
    ],
)  # fmt: skip
def test_service_that_does_not_select_the_pod_gives_no_name(service):
    assert names(documents.pod(), service).allowed == ()


def test_every_service_that_selects_the_pod_counts():
    other = documents.service("cart", selector={"app": "cart"})

    allowed = names(documents.pod(), documents.service(), documents.service("shop-front"), other).allowed

    assert {name.split(".")[0] for name in allowed} == {"web", "shop-front"}


def test_headless_service_that_is_the_subdomain_gives_the_name_of_the_pod():
    pod = documents.pod(spec={"hostname": "web-0", "subdomain": "web"})

    allowed = names(pod, documents.headless()).allowed

    assert set(allowed) - {"web.shop", "web.shop.svc", "web.shop.svc.cluster.local"} == {
        "web-0.web.shop.svc",
        "web-0.web.shop.svc.cluster.local",
    }


@pytest.mark.parametrize(
    ("spec", "service"),
    [
        ({"hostname": "web-0", "subdomain": "web"}, documents.service()),
        ({"hostname": "web-0", "subdomain": "other"}, documents.headless()),
        ({"hostname": "web-0"}, documents.headless()),
        ({"subdomain": "web"}, documents.headless()),
        ({"hostname": "web-0", "subdomain": "web"}, documents.headless(selector={"app": "cart"})),
    ],
)
def test_without_all_that_dns_asks_for_the_pod_has_no_name_of_its_own(spec, service):
    assert not [name for name in names(documents.pod(spec=spec), service).allowed if name.startswith("web-0")]


def test_annotation_limits_the_names():
    found = names(asking("web.shop.svc"), documents.service(), documents.service("front"))

    assert (found.allowed, found.refused) == (("web.shop.svc",), ())


def test_annotation_gives_no_name_that_no_service_gives():
    found = names(asking("web.shop.svc, bank.example, *.shop.svc, web.bank.svc"), documents.service())

    assert found.allowed == ("web.shop.svc",)
    assert found.refused == ("bank.example", "*.shop.svc", "web.bank.svc")


def test_empty_annotation_asks_for_no_name():
    found = names(asking(" "), documents.service())

    assert (found.allowed, found.refused) == ((), ())


def test_annotation_is_read_between_commas_and_blanks_in_lower_case_and_once():
    assert asked_names(" Web.shop.svc,web.shop\n web.shop ,, ") == ("web.shop.svc", "web.shop")


def test_annotation_of_another_type_counts_as_none_that_gives_names():
    assert names(documents.pod(annotations={"chancery.dev/dns": 7}), documents.service()).allowed == ()


@pytest.mark.parametrize("service", [documents.service, documents.headless])
def test_service_of_the_api_server_stands_for_no_pod_whatever_it_selects(service):
    pod = documents.pod(namespace="default", spec={"hostname": "web-0", "subdomain": "kubernetes"})

    assert names(pod, service("kubernetes", namespace="default")).allowed == ()
    assert names(documents.pod(), service("kubernetes")).allowed


def test_more_names_than_a_certificate_has_room_for_are_counted():
    services = [documents.service(f"web-{number}") for number in range(40)]

    found = names(documents.pod(), *services)

    assert (len(found.allowed), found.omitted) == (MAX_DNS_NAMES, 120 - MAX_DNS_NAMES)
    SubjectAlternativeNames.parse(dns=found.allowed, uris=("spiffe://cluster.local/ns/shop/sa/web",))


def test_of_more_services_than_there_is_room_for_the_first_give_the_names():
    services = [documents.service(f"web-{number:04}") for number in reversed(range(1000))]

    found = names(documents.pod(), *services)

    assert {name.split(".")[0] for name in found.allowed} == {
        f"web-{number:04}" for number in range(MAX_DNS_NAMES // 3)
    }
    assert found.omitted > 1000 - MAX_DNS_NAMES


def test_names_that_are_asked_for_are_had_however_many_others_there_are():
    services = [documents.service(f"web-{number:04}") for number in range(1000)]
    absent = ",".join(f"absent-{number}.shop.svc" for number in range(200))

    found = names(asking(f"{absent} web-0999.shop.svc web-0998.shop"), *services)

    assert found.allowed == ("web-0998.shop", "web-0999.shop.svc")
    assert (len(found.refused), found.omitted) == (200, 0)


keys, values = st.sampled_from("abc"), st.sampled_from("xyz")
maps = st.dictionaries(keys, values, max_size=3)


@given(maps, maps)
def test_selector_selects_as_kubernetes_defines_it(pod_labels, selector):
    """labels.SelectorFromSet, but for the empty one, which selects nothing in a Service."""
    pod = PodRecord.from_document(documents.pod(labels=pod_labels))
    service = ServiceRecord.from_document(documents.service(selector=selector))

    assert service.selects(pod) == (bool(selector) and selector.items() <= pod_labels.items())


@given(
    maps,
    st.lists(st.tuples(st.sampled_from(["web", "cart", "front"]), maps), max_size=4),
    st.none() | st.text(max_size=40),
)
def test_names_are_those_of_selecting_services_whatever_the_annotation_says(pod_labels, services, annotation):
    annotations = {} if annotation is None else {"chancery.dev/dns": annotation}
    found = names(
        documents.pod(labels=pod_labels, annotations=annotations),
        *(documents.service(name, selector=selector) for name, selector in services),
    )

    selecting = {name for name, selector in services if selector and selector.items() <= pod_labels.items()}
    assert {name.split(".")[0] for name in found.allowed} <= selecting
    if annotation is None:
        assert len(found.allowed) == 3 * len(selecting)
