"""Services by namespace: what is read anew, and when."""

from collections.abc import Sequence
from typing import Any

import pytest

from kube.collections import Collection
from kube.pods import service_index
from kube.pods.records import ServiceRecord
from kube.pods.service_index import ServiceIndex
from tests.kube.pods import documents


def filled(*found: Any) -> tuple[Collection, ServiceIndex]:
    services = Collection()
    services.fill(found)
    return services, ServiceIndex(services)


def names(found: Sequence[ServiceRecord]) -> list[str]:
    return sorted(one.name for one in found)


def test_services_are_found_by_their_namespace():
    _, index = filled(documents.service("web"), documents.service("cart"), documents.service("vault", namespace="bank"))

    assert names(index.of("shop")) == ["cart", "web"]
    assert names(index.of("bank")) == ["vault"]
    assert names(index.of("none")) == []


def test_change_is_seen_once_it_was_told():
    services, index = filled(documents.service("web"))
    index.of("shop")
    services.put(documents.service("cart"))
    index.changed("shop")
    with_cart = names(index.of("shop"))
    services.remove("shop", "web")
    index.changed("shop")

    assert with_cart == ["cart", "web"]
    assert names(index.of("shop")) == ["cart"]


def test_change_before_anything_was_asked_is_seen():
    services, index = filled()
    services.put(documents.service("web"))
    index.changed("shop")

    assert names(index.of("shop")) == ["web"]


def test_who_changes_services_all_the_time_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch):
    services, index = filled(*(documents.service(f"web-{number}", namespace="bank") for number in range(100)))
    index.of("bank")
    services.put(documents.service("web"))
    index.changed("shop")
    read: list[str] = []

    class Counting(ServiceRecord):
        @classmethod
        def from_document(cls, document: Any) -> ServiceRecord:
            read.append(document["metadata"]["name"])
            return ServiceRecord.from_document(document)

    monkeypatch.setattr(service_index, "ServiceRecord", Counting)

    assert len(index.of("bank")) == 100
    assert names(index.of("shop")) == ["web"]
    assert read == ["web"]
