"""The auditor: when it writes, when a request waits for it, and what it costs where nothing is written."""

from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from apiserver.audit.policy import AuditPolicy, Level, Rule, Stage
from apiserver.errors import ServiceUnavailable, Unauthorized
from tests.apiserver.audit.requests import ANN, ORIGIN, Lines, auditor, resource

METADATA = AuditPolicy(rules=(Rule(level=Level.METADATA),))
NOTHING = AuditPolicy(rules=(Rule(level=Level.NONE),))


class Settled(Lines):
    """Writes at once, or answers what it is told to."""

    def __init__(self, error=None, *, full=False):
        super().__init__()
        self.error = error
        self.full = full

    def write(self, line):
        if self.full:
            return None
        future = Future()
        if self.error is not None:
            future.set_exception(self.error)
        else:
            self.lines.append(line)
            future.set_result(None)
        return future


async def test_of_an_omitted_stage_nothing_is_written():
    policy = AuditPolicy(rules=(Rule(level=Level.METADATA, omitted=frozenset({Stage.REQUEST_RECEIVED, Stage.PANIC})),))
    asked, log = auditor(policy)
    audit = await asked.begin(ORIGIN, ANN, resource())
    for stage in Stage:
        await audit.tell(stage, code=200)

    assert [event["stage"] for event in log.events] == ["ResponseStarted", "ResponseComplete"]


async def test_events_and_levels_are_counted():
    events, levels = [], []
    for policy in (METADATA, NOTHING):
        asked, _ = auditor(policy, on_event=lambda: events.append(1), on_level=levels.append)
        audit = await asked.begin(ORIGIN, ANN, resource())
        await audit.tell(Stage.RESPONSE_COMPLETE, code=200)

    assert len(events) == 2
    assert levels == ["Metadata", "None"]


async def test_at_level_none_nothing_is_kept_and_nothing_breaks():
    asked, log = auditor(NOTHING)
    audit = await asked.begin(ORIGIN, ANN, resource())
    audit.annotate("a", "b")
    audit.impersonates(ANN)
    audit.failed(KeyError())
    await audit.tell(Stage.RESPONSE_COMPLETE, code=200)

    assert (audit.record, audit.wants_request, audit.wants_response, log.lines) == (None, False, False, [])


@pytest.mark.parametrize(
    ("level", "wants"),
    [("Metadata", (False, False)), ("Request", (True, False)), ("RequestResponse", (True, True))],
)
async def test_bodies_are_asked_for_by_level(level, wants):
    asked, _ = auditor(AuditPolicy(rules=(Rule(level=Level(level)),)))
    audit = await asked.begin(ORIGIN, ANN, resource())

    assert (audit.wants_request, audit.wants_response) == wants


async def test_the_first_annotation_of_a_name_stands():
    asked, _ = auditor(METADATA)
    audit = await asked.begin(ORIGIN, ANN, resource())
    audit.annotate("authorization.k8s.io/decision", "forbid")
    audit.annotate("authorization.k8s.io/decision", "allow")

    assert audit.record.annotations == {"authorization.k8s.io/decision": "forbid"}


async def test_who_was_not_authenticated_is_written_with_the_refusal_alone():
    asked, log = auditor(METADATA)
    audit = await asked.begin(ORIGIN, None, resource())
    audit.failed(Unauthorized())
    await audit.tell(Stage.RESPONSE_COMPLETE, code=401)

    (event,) = log.events
    assert event["user"] == {}
    assert (event["responseStatus"]["code"], event["responseStatus"]["reason"]) == (401, "Unauthorized")


async def test_a_request_is_received_when_the_edge_says_it_was():
    received = datetime(2026, 11, 20, 11, 59, tzinfo=UTC)
    asked, log = auditor(METADATA)
    await asked.begin(replace(ORIGIN, received_at=received), ANN, resource())

    assert log.events[0]["requestReceivedTimestamp"] == "2026-11-20T11:59:00.000000Z"


async def test_in_blocking_mode_a_request_waits_for_its_event():
    asked, log = auditor(METADATA, Settled(), blocking=True)
    audit = await asked.begin(ORIGIN, ANN, resource())
    await audit.tell(Stage.RESPONSE_COMPLETE, code=200)

    assert len(log.lines) == 2


@pytest.mark.parametrize("log", [Settled(OSError("no space")), Settled(full=True)], ids=["fails", "full"])
async def test_in_blocking_mode_what_cannot_be_written_is_not_done(log):
    asked, _ = auditor(METADATA, log, blocking=True)

    with pytest.raises(ServiceUnavailable) as refused:
        await asked.begin(ORIGIN, ANN, resource())
    assert refused.value.retry_after == 1
