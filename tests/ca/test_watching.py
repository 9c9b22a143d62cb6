"""Following the inventory: everything after the cursor, in order, once; and nothing without a rule."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from ca.errors import PolicyDenied, ShuttingDown
from ca.office import Office
from ca.watching import CertificateWatch, matches
from store.inventory import Inventory
from store.records import CertificateFilter, CertificateRecord
from tests.ca.offices import NOW, Premises, administrator, call_of, order_for, registry_of, workload

EVERYTHING = CertificateFilter()
NOW_SECONDS = int(NOW.timestamp())


class WatchedInventory(Inventory):
    """Says when somebody has found nothing in it after his cursor."""

    def __init__(self, inventory: Inventory) -> None:
        super().__init__(inventory._database)
        self.had_no_news = threading.Event()

    def after(self, sequence: int, *, limit: int = 1000) -> tuple[CertificateRecord, ...]:
        records = super().after(sequence, limit=limit)
        if not records:
            self.had_no_news.set()
        return records


def watch_of(office: Office, inventory: Inventory | None = None) -> CertificateWatch:
    return CertificateWatch(
        inventory=inventory or office.inventory, policy=office.policy, clock=office.clock, stopping=asyncio.Event()
    )


async def take(events: AsyncIterator[CertificateRecord], count: int) -> list[CertificateRecord]:
    async with asyncio.timeout(60):
        return [await anext(events) for _ in range(count)]


async def test_cursor_zero_begins_at_the_beginning(premises: Premises) -> None:
    with premises.open() as office:
        issued = [office.authority.issue(order_for(f"{number}.example")) for number in range(3)]

        events = watch_of(office).follow(call_of(administrator()), 0, EVERYTHING)

        assert [record.id for record in await take(events, 3)] == [record.id for record in issued]


async def test_watch_resumes_after_the_event_that_was_seen(office: Office) -> None:
    issued = [office.authority.issue(order_for(f"{number}.example")) for number in range(3)]

    events = watch_of(office).follow(call_of(administrator()), issued[0].sequence, EVERYTHING)

    assert [record.id for record in await take(events, 2)] == [record.id for record in issued[1:]]


async def test_without_a_cursor_only_what_comes_is_told(office: Office) -> None:
    office.authority.issue(order_for("before.example"))
    inventory = WatchedInventory(office.inventory)
    watch = watch_of(office, inventory)
    events = watch.follow(call_of(administrator()), None, EVERYTHING)
    waiting = asyncio.create_task(take(events, 1))
    assert await asyncio.to_thread(inventory.had_no_news.wait, 60)

    issued = await asyncio.to_thread(office.authority.issue, order_for("after.example"))

    assert [record.id for record in await waiting] == [issued.id]


async def test_news_are_told_sooner_than_the_next_look(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ca.watching._POLL_SECONDS", 600)
    inventory = WatchedInventory(office.inventory)
    watch = watch_of(office, inventory)
    events = watch.follow(call_of(administrator()), None, EVERYTHING)
    waiting = asyncio.create_task(take(events, 1))
    assert await asyncio.to_thread(inventory.had_no_news.wait, 60)
    issued = await asyncio.to_thread(office.authority.issue, order_for("after.example"))

    watch.nudge()

    assert [record.id for record in await waiting] == [issued.id]


async def test_filter_passes_over_what_does_not_match(office: Office) -> None:
    first = office.authority.issue(order_for("a.example"))
    wanted = office.authority.issue(order_for("wanted.example"))

    events = watch_of(office).follow(
        call_of(administrator()), (first.sequence or 0) - 1, CertificateFilter(name="WANTED.example")
    )

    assert [record.id for record in await take(events, 1)] == [wanted.id]


async def test_watching_needs_a_rule(office: Office) -> None:
    with pytest.raises(PolicyDenied):
        await anext(watch_of(office).follow(call_of(workload()), 0, EVERYTHING))


async def test_watch_ends_when_the_server_stops(office: Office) -> None:
    watch = watch_of(office)
    events = watch.follow(call_of(administrator()), None, EVERYTHING)

    watch.stopping.set()

    with pytest.raises(ShuttingDown, match="cursor"):
        await take(events, 1)


async def test_watch_ends_when_policy_no_longer_grants_it(premises: Premises) -> None:
    with premises.open() as office:
        office.authority.issue(order_for("a.example"))
        watch = watch_of(office)
        events = watch.follow(call_of(administrator()), 0, EVERYTHING)
        await take(events, 1)
        policy = office.settings.policy_file
        policy.write_text(policy.read_text().replace("chancery:administrators", "chancery:others"))
        assert office.policy.refresh()

        with pytest.raises(PolicyDenied):
            await take(events, 1)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (CertificateFilter(), True),
        (CertificateFilter(name="web.example"), True),
        (CertificateFilter(name="example"), False),
        (CertificateFilter(profile="server"), True),
        (CertificateFilter(profile="client"), False),
        (CertificateFilter(requester="nobody"), False),
        (CertificateFilter(issuer_id="0" * 32), False),
        (CertificateFilter(state="valid"), True),
        (CertificateFilter(state="expired"), False),
        (CertificateFilter(state="revoked"), False),
        (CertificateFilter(expires_before=NOW_SECONDS), False),
        (CertificateFilter(expires_after=NOW_SECONDS), True),
    ],
)
def test_watch_and_search_agree(office: Office, wanted: CertificateFilter, expected: bool) -> None:
    record = office.authority.issue(order_for("web.example"))

    found = office.inventory.search(wanted, now=NOW_SECONDS, page_size=1000).items

    assert matches(wanted, record, NOW_SECONDS) is expected
    assert (record.id in {one.id for one in found}) is expected


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_watch_and_search_agree_on_the_last_second(office: Office, offset: int) -> None:
    record = office.authority.issue(order_for("web.example"))
    at = record.not_after + offset

    for state in ("valid", "expired"):
        wanted = CertificateFilter(state=state)  # type: ignore[arg-type]
        found = office.inventory.search(wanted, now=at, page_size=1000).items
        assert (record.id in {one.id for one in found}) is matches(wanted, record, at)


def test_revoked_is_a_state_of_its_own(premises: Premises) -> None:
    with premises.open() as office:
        record = office.authority.issue(order_for("web.example"))
        revoked = registry_of(office).revoke(call_of(administrator()), record.id, reason=0)
        premises.clock.advance(timedelta(days=2))

        assert matches(CertificateFilter(state="revoked"), revoked, int(office.clock().timestamp()))
        assert not matches(CertificateFilter(state="expired"), revoked, int(office.clock().timestamp()))
