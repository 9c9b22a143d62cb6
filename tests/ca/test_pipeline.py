"""The signing thread: batches, bounds, callers that go away, a stop that loses nothing."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from ca.authority import Authority
from ca.errors import Overloaded, PolicyDenied, ShuttingDown
from ca.office import Office
from ca.orders import Order, Outcome
from ca.pipeline import SigningPipeline
from certs.errors import MalformedRequest
from store.errors import StoreFull
from store.records import Issuance
from tests.ca.offices import order_for, total_of, workload


class HeldAuthority(Authority):
    """The real one, whose signing thread waits in `prepare` until the test lets it go on."""

    def __init__(self, authority: Authority, fault: Exception | None = None) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()
        self._authority = authority
        self._fault = fault

    def prepare(self, orders: Sequence[Order]) -> list[Issuance | Exception]:
        self.entered.set()
        assert self.release.wait(30)
        return self._authority.prepare(orders)

    def record(self, orders: Sequence[Order], issuances: Sequence[Issuance]) -> tuple[Outcome, ...]:
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault
        return self._authority.record(orders, issuances)


async def held(authority: HeldAuthority, pipeline: SigningPipeline) -> "asyncio.Task[object]":
    """An order that has been taken and is being prepared."""
    first = asyncio.create_task(pipeline.issue(order_for("first.example")))
    assert await asyncio.to_thread(authority.entered.wait, 30)
    return first


async def queued(pipeline: SigningPipeline, *orders: Order) -> "list[asyncio.Task[object]]":
    tasks = [asyncio.create_task(pipeline.issue(order)) for order in orders]
    await asyncio.sleep(0)
    assert pipeline.waiting == len(orders)
    return tasks


@pytest.mark.parametrize("parallel", [1, 2])
async def test_each_order_gets_its_own_outcome(office: Office, parallel: int) -> None:
    pipeline = SigningPipeline(office.authority, capacity=100, parallel=parallel)

    outcomes = await asyncio.gather(
        *(pipeline.issue(order_for(f"host-{number}.example")) for number in range(8)),
        pipeline.issue(order_for(request=b"no request")),
        pipeline.issue(order_for("web.example", caller=workload())),
        return_exceptions=True,
    )
    await pipeline.close()

    *records, malformed, denied = outcomes
    assert [record.names[0][1] for record in records] == [f"host-{number}.example" for number in range(8)]  # type: ignore[union-attr]
    assert isinstance(malformed, MalformedRequest)
    assert isinstance(denied, PolicyDenied)


async def test_what_gathers_while_one_is_signed_is_one_batch(office: Office) -> None:
    sizes: list[int] = []
    authority = HeldAuthority(office.authority)
    pipeline = SigningPipeline(authority, capacity=100, on_batch=sizes.append)
    first = await held(authority, pipeline)
    others = await queued(pipeline, *(order_for(f"{number}.example") for number in range(5)))

    authority.release.set()
    await asyncio.gather(first, *others)
    await pipeline.close()

    assert sizes == [1, 5]


async def test_full_queue_refuses_and_goes_on_afterwards(office: Office) -> None:
    authority = HeldAuthority(office.authority)
    pipeline = SigningPipeline(authority, capacity=2)
    first = await held(authority, pipeline)
    others = await queued(pipeline, order_for("a.example"), order_for("b.example"))

    with pytest.raises(Overloaded, match="try again"):
        await pipeline.issue(order_for("c.example"))
    authority.release.set()
    await asyncio.gather(first, *others)
    assert await pipeline.issue(order_for("c.example"))
    await pipeline.close()


async def test_caller_that_goes_away_before_its_turn_gets_nothing(office: Office) -> None:
    authority = HeldAuthority(office.authority)
    pipeline = SigningPipeline(authority, capacity=100)
    before = total_of(office)
    first = await held(authority, pipeline)
    gone, stays = await queued(pipeline, order_for("gone.example"), order_for("stays.example"))

    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    authority.release.set()
    await asyncio.gather(first, stays)
    await pipeline.close()

    assert total_of(office) == before + 2


async def test_caller_that_goes_away_after_its_turn_leaves_a_record(office: Office) -> None:
    authority = HeldAuthority(office.authority)
    pipeline = SigningPipeline(authority, capacity=100)
    before = total_of(office)
    first = await held(authority, pipeline)

    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    authority.release.set()
    await pipeline.close()

    assert total_of(office) == before + 1


async def test_stop_finishes_what_waits_and_refuses_what_comes(office: Office) -> None:
    authority = HeldAuthority(office.authority)
    pipeline = SigningPipeline(authority, capacity=100)
    first = await held(authority, pipeline)
    others = await queued(pipeline, order_for("a.example"), order_for("b.example"))

    closing = asyncio.create_task(pipeline.close())
    await asyncio.sleep(0)
    with pytest.raises(ShuttingDown):
        await pipeline.issue(order_for("late.example"))
    authority.release.set()
    await closing

    assert all(await asyncio.gather(first, *others))


async def test_failed_transaction_is_everybodys_answer_and_the_thread_goes_on(office: Office) -> None:
    authority = HeldAuthority(office.authority, fault=StoreFull("the disk is full; make room"))
    authority.release.set()
    pipeline = SigningPipeline(authority, capacity=100)
    before = total_of(office)

    with pytest.raises(StoreFull):
        await pipeline.issue(order_for("a.example"))
    assert total_of(office) == before
    assert await pipeline.issue(order_for("b.example"))
    await pipeline.close()
