"""Bounds on what is under way: who is let in, who is told to come back, and what comes back with the end of a request."""

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.errors import RequestEntityTooLarge, TooManyRequests
from apiserver.flow_control import FlowControl
from apiserver.identity.user import MASTERS_GROUP, User
from apiserver.statuses import status_of

ANN, BOB = User(name="ann"), User(name="bob")
MASTER = User(name="root", groups=(MASTERS_GROUP,))


class Instants:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def control(*, reads=8, writes=4, body_octets=1000, **others):
    return FlowControl(reads=reads, writes=writes, body_octets=body_octets, **others)


def fill(flow, stack, user, number, *, read_only=True):
    for _ in range(number):
        stack.enter_context(flow.admitted(user, read_only=read_only))


def admitted(flow, stack, user, *, read_only=True):
    try:
        fill(flow, stack, user, 1, read_only=read_only)
    except TooManyRequests:
        return False
    return True


def test_whoever_is_alone_may_have_the_whole_bound():
    flow = control()
    with ExitStack() as stack:
        fill(flow, stack, ANN, 8)

        assert not admitted(flow, stack, ANN)


def test_beyond_the_bound_one_is_told_to_come_back_in_a_second():
    flow = control(reads=1)
    with flow.admitted(ANN, read_only=True), pytest.raises(TooManyRequests) as refused:
        flow.admitted(ANN, read_only=True).__enter__()

    code, _, retry_after = status_of(refused.value)
    assert (code, retry_after) == (429, 1)


FLUNDERS, REPORTS = "flunders.wardle.example.com", "policyreports.wgpolicyk8s.io"


def test_a_kind_with_a_bound_of_its_own_leaves_room_for_others():
    flow = control(reads=20, writes=20, by_resource={REPORTS: 2})
    with ExitStack() as stack:
        stack.enter_context(flow.admitted(ANN, read_only=True, resource=REPORTS))
        stack.enter_context(flow.admitted(ANN, read_only=False, resource=REPORTS))
        with pytest.raises(TooManyRequests):
            stack.enter_context(flow.admitted(ANN, read_only=True, resource=REPORTS))

        stack.enter_context(flow.admitted(ANN, read_only=True, resource=FLUNDERS))
        assert flow.in_flight["readOnly"] == 2


def test_whoever_is_turned_away_for_a_kind_holds_no_place_of_all():
    rejected = []
    flow = control(reads=4, by_resource={REPORTS: 1}, on_rejected=rejected.append)
    with flow.admitted(ANN, read_only=True, resource=REPORTS):
        for _ in range(9):
            with pytest.raises(TooManyRequests):
                flow.admitted(ANN, read_only=True, resource=REPORTS).__enter__()
        assert flow.in_flight["readOnly"] == 1

    assert flow.in_flight["readOnly"] == 0
    assert rejected == ["readOnly"] * 9
    with flow.admitted(BOB, read_only=True, resource=REPORTS):
        assert flow.in_flight["readOnly"] == 1


def test_masters_are_exempt_from_the_bound_of_a_kind():
    flow = control(by_resource={REPORTS: 1})
    with flow.admitted(ANN, read_only=True, resource=REPORTS), flow.admitted(MASTER, read_only=True, resource=REPORTS):
        assert flow.in_flight["exempt"] == 1


def test_reads_and_writes_have_a_bound_each():
    flow = control()
    with ExitStack() as stack:
        fill(flow, stack, ANN, 8)

        assert admitted(flow, stack, ANN, read_only=False)


def test_a_request_that_ends_makes_room_also_when_it_fails():
    flow = control(reads=1)
    with pytest.raises(KeyError), flow.admitted(ANN, read_only=True):
        raise KeyError

    with flow.admitted(ANN, read_only=True):
        assert flow.in_flight["readOnly"] == 1
    assert not flow.in_flight.total()


def test_masters_are_let_in_and_take_nobodys_place():
    flow = control(reads=1)
    with ExitStack() as stack:
        fill(flow, stack, ANN, 1)
        fill(flow, stack, MASTER, 20)

        assert flow.in_flight == {"readOnly": 1, "mutating": 0, "exempt": 20}


def test_probes_are_let_in_and_take_nobodys_place():
    flow = control(reads=1)
    with ExitStack() as stack:
        fill(flow, stack, ANN, 1)
        stack.enter_context(flow.admitted(BOB, read_only=True, probe=True))

        assert flow.in_flight == {"readOnly": 1, "mutating": 0, "exempt": 1}


def test_the_last_quarter_is_for_those_with_less_than_their_share():
    flow = control(reads=8)
    with ExitStack() as stack:
        fill(flow, stack, BOB, 1)
        fill(flow, stack, ANN, 5)  # three quarters are taken now

        assert not admitted(flow, stack, ANN)
        assert admitted(flow, stack, BOB)


def test_who_was_turned_away_gets_the_next_place_before_who_has_all():
    flow = control(reads=8, monotonic=Instants())
    with ExitStack() as others:
        fill(flow, others, ANN, 7)
        with flow.admitted(ANN, read_only=True):
            assert not admitted(flow, others, BOB)

        assert not admitted(flow, others, ANN)
        assert admitted(flow, others, BOB)


def test_who_does_not_come_back_is_forgotten():
    now = Instants()
    flow = control(reads=8, monotonic=now)
    with ExitStack() as others:
        fill(flow, others, ANN, 7)
        with flow.admitted(ANN, read_only=True):
            assert not admitted(flow, others, BOB)
        now.now += 2.5

        assert admitted(flow, others, ANN)


def test_memory_of_those_turned_away_is_bounded():
    flow = control(reads=4)
    with ExitStack() as stack:
        fill(flow, stack, ANN, 4)
        for number in range(2000):
            assert not admitted(flow, stack, User(name=f"u{number}"))

    assert len(flow._kinds["readOnly"]._turned_away) <= 256
    assert not flow._kinds["readOnly"]._by_caller


def test_refusals_are_counted_by_kind():
    refused = []
    flow = control(reads=1, writes=1, body_octets=100, on_rejected=refused.append)
    with ExitStack() as stack:
        for read_only in (True, False):
            assert admitted(flow, stack, ANN, read_only=read_only)
            assert not admitted(flow, stack, ANN, read_only=read_only)
        stack.enter_context(flow.body())(100)
        with flow.body() as take, pytest.raises(TooManyRequests):
            take(1)

    assert refused == ["readOnly", "mutating", "body"]


def test_bodies_beyond_the_budget_are_told_to_come_back_until_others_end():
    flow = control(body_octets=1000)
    with flow.body() as first:
        first(800)
        with flow.body() as second, pytest.raises(TooManyRequests):
            second(300)

    with flow.body() as third:
        third(300)
        assert flow.body_octets == 300
    assert flow.body_octets == 0


def test_a_body_of_unknown_length_is_counted_as_it_comes():
    flow = control(body_octets=1000)
    with flow.body() as other, flow.body() as take:
        other(500)
        take(400)
        with pytest.raises(TooManyRequests):
            take(101)


def test_a_body_that_would_never_fit_is_too_large():
    flow = control(body_octets=1000)
    with flow.body() as take, pytest.raises(RequestEntityTooLarge):
        take(1001)


def test_one_caller_leaves_a_quarter_of_the_budget():
    flow = control(body_octets=1000)
    with flow.body(ANN) as first, flow.body(ANN) as second, flow.body(BOB) as other:
        first(700)
        with pytest.raises(TooManyRequests):
            second(100)
        other(100)

    assert not flow._body_octets_by_caller


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=200))
def test_never_more_than_the_bound_is_under_way_and_a_newcomer_gets_in_before_it_is_full(steps):
    flow = control(reads=8)
    under_way = {"a": [], "b": [], "c": []}
    for name, begins in steps:
        if not begins:
            if under_way[name]:
                under_way[name].pop().close()
            continue
        stack = ExitStack()
        before = flow.in_flight["readOnly"]
        was_let_in = admitted(flow, stack, User(name=name))
        if was_let_in:
            under_way[name].append(stack)
        elif before < 8:
            assert under_way[name], "who has nothing under way is refused though there is room"
        assert flow.in_flight["readOnly"] == sum(map(len, under_way.values())) <= 8
    for stacks in under_way.values():
        for stack in stacks:
            stack.close()
    assert not flow.in_flight.total()
