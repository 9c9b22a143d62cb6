"""A rule that lists names gives rights over certificates with these names, and over no others."""

import pytest

from ca.callers import Caller
from ca.errors import CertificateNotFound, NotTheOwner
from ca.office import Office
from certs.keys import KeyType, generate_private_key
from store.records import CertificateFilter, CertificateRecord
from tests.ca.offices import Premises, call_of, order_for, registry_of, request_for

CLERK = call_of(Caller.hypothetical(common_name="clerk"))
RULE = """
  - name: clerks
    callers: [{certificate: {common_names: [clerk]}}]
    operations: [issue, read, revoke, fetch_key]
    profiles: [server]
    names: {dns: ["*.shop.example"]}
"""


def allow_clerks(office: Office) -> None:
    office.settings.policy_file.write_text(office.settings.policy_file.read_text() + RULE)
    assert office.policy.refresh()


def with_server_key(office: Office, name: str, profile: str = "server") -> CertificateRecord:
    key = generate_private_key(KeyType.EC_P256)
    return office.authority.issue(order_for(request=request_for(name, key=key), profile=profile, server_key=key))


def test_key_of_a_name_that_no_rule_lists_is_not_fetched(premises: Premises) -> None:
    with premises.open() as office:
        allow_clerks(office)
        listed, other = with_server_key(office, "web.shop.example"), with_server_key(office, "web.bank.example")
        registry = registry_of(office)

        with pytest.raises(NotTheOwner):
            registry.take_private_key(CLERK, other.id)
        assert registry.take_private_key(CLERK, listed.id)


def test_certificate_of_a_name_that_no_rule_lists_is_neither_read_nor_revoked(premises: Premises) -> None:
    with premises.open() as office:
        allow_clerks(office)
        listed, other = with_server_key(office, "web.shop.example"), with_server_key(office, "web.bank.example")
        another_profile = with_server_key(office, "web.shop.example", profile="peer")
        registry = registry_of(office)

        for hidden in (other, another_profile):
            with pytest.raises(CertificateNotFound):
                registry.find(CLERK, hidden.id)
            with pytest.raises(CertificateNotFound):
                registry.revoke(CLERK, hidden.id, reason=1)
        assert registry.find(CLERK, listed.id).id == listed.id
        assert registry.revoke(CLERK, listed.id, reason=1).revoked_at


def test_listing_shows_what_may_be_read(premises: Premises) -> None:
    with premises.open() as office:
        allow_clerks(office)
        listed, other = with_server_key(office, "web.shop.example"), with_server_key(office, "web.bank.example")

        page = registry_of(office).search(CLERK, CertificateFilter(), page_size=100, page_token="")

        assert listed.id in {record.id for record in page.items}
        assert other.id not in {record.id for record in page.items}
