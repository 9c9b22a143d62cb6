"""Refusals of known callers are written down; a store that cannot write does not change the answer."""

import pytest

from ca.denials import REFUSALS_PER_CALLER, DenialLog
from ca.errors import CallerRevoked, InvalidArgument, NotTheOwner, PolicyDenied
from ca.office import Office
from tests.ca.offices import Premises, call_of, workload


def denials_of(office: Office) -> DenialLog:
    return DenialLog(audit=office.audit, clock=office.clock)


@pytest.mark.parametrize("error", [PolicyDenied("no rule allows it", rule="tokens"), NotTheOwner("not yours")])
async def test_refusal_of_a_known_caller_is_written_down(office: Office, error: PolicyDenied) -> None:
    before = len(office.audit.page(page_size=1000).items)

    await denials_of(office).note(call_of(workload()), "SignCsr", error)

    events = office.audit.page(page_size=1000).items
    assert len(events) == before + 1
    assert (events[0].action, events[0].actor) == ("request.deny", workload().name)
    assert error.reason in events[0].details
    assert office.audit.verify_chain()


async def test_what_is_no_refusal_leaves_no_record(office: Office) -> None:
    before = len(office.audit.page(page_size=1000).items)

    await denials_of(office).note(call_of(workload()), "SignCsr", InvalidArgument("nonsense"))
    await denials_of(office).note(None, "SignCsr", CallerRevoked("gone"))

    assert len(office.audit.page(page_size=1000).items) == before


async def test_explanation_is_cut(office: Office) -> None:
    await denials_of(office).note(call_of(workload()), "SignCsr", PolicyDenied("x" * 100_000))

    assert len(office.audit.page().items[0].details) < 1_500


async def test_store_that_cannot_write_changes_nothing(premises: Premises) -> None:
    with premises.open() as office:
        office.database.close()

        await denials_of(office).note(call_of(workload()), "SignCsr", PolicyDenied("no"))


async def test_caller_who_is_refused_all_the_time_does_not_fill_the_trail(office: Office) -> None:
    denials = denials_of(office)
    before = len(office.audit.page(page_size=1000).items)

    for _ in range(REFUSALS_PER_CALLER.burst + 20):
        await denials.note(call_of(workload()), "SignCsr", PolicyDenied("no"))

    assert len(office.audit.page(page_size=1000).items) == before + REFUSALS_PER_CALLER.burst
