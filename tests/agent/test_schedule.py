from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ScheduleInvalid
from agent.schedule import (
    FIRST_RETRY,
    LONGEST_RETRY,
    LONGEST_SLEEP,
    LONGEST_URGENT_RETRY,
    BackOff,
    Expired,
    Renew,
    RenewalSchedule,
    Sleep,
    draw_fraction,
    next_check,
    when_to_renew,
)

START = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(hours=24)

fractions = st.floats(min_value=0, max_value=1, exclude_max=True)
lives = st.integers(min_value=1, max_value=400 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
instants = st.integers(min_value=-(10**8), max_value=10**8).map(lambda seconds: START + timedelta(seconds=seconds))
octets = st.binary(min_size=7, max_size=7)


def schedule(life: timedelta = DAY, jitter_fraction: float = 0.0) -> RenewalSchedule:
    return RenewalSchedule.from_validity(not_before=START, not_after=START + life, jitter_fraction=jitter_fraction)


def entropy_of(value: bytes):
    return lambda count: value[:count]


def back_off_after(failures: int, *, now: datetime, value: bytes = b"\0" * 7) -> BackOff:
    back_off = None
    for _ in range(failures):
        back_off = BackOff.after(back_off, now=now, entropy=entropy_of(value))
    assert back_off is not None
    return back_off


def test_renewal_is_due_at_two_thirds_of_life_without_jitter():
    assert when_to_renew(not_before=START, not_after=START + DAY, jitter_fraction=0.0) == START + timedelta(hours=16)


def test_a_period_replaces_the_two_thirds():
    due = when_to_renew(not_before=START, not_after=START + DAY, jitter_fraction=0.0, period=timedelta(hours=2))

    assert due == START + timedelta(hours=2)


@pytest.mark.parametrize("period", [timedelta(0), timedelta(seconds=-1), DAY, DAY - timedelta(seconds=59)])
def test_a_period_that_leaves_no_minute_to_renew_is_refused(period):
    with pytest.raises(ScheduleInvalid, match="renewal period"):
        when_to_renew(not_before=START, not_after=START + DAY, jitter_fraction=0.0, period=period)


def test_an_empty_validity_is_refused():
    with pytest.raises(ScheduleInvalid, match="never valid"):
        when_to_renew(not_before=START, not_after=START, jitter_fraction=0.0)


@given(life=lives, fraction=fractions)
def test_jitter_takes_at_most_a_twentieth_of_the_time_until_due(life, fraction):
    due = when_to_renew(not_before=START, not_after=START + life, jitter_fraction=fraction)

    tolerance = timedelta(microseconds=2)
    assert life * 2 / 3 * 19 / 20 - tolerance <= due - START <= life * 2 / 3 + tolerance


@given(life=lives, fraction=fractions, now=instants)
def test_every_decision_is_to_sleep_shortly_or_to_act(life, fraction, now):
    decision = schedule(life, fraction).decide(now)

    if isinstance(decision, Sleep):
        assert 0 < decision.seconds <= LONGEST_SLEEP.total_seconds()


@given(life=lives, fraction=fractions, now=instants)
def test_the_decision_follows_from_the_wall_clock_alone(life, fraction, now):
    timetable = schedule(life, fraction)
    decision = timetable.decide(now)

    if now > timetable.not_after:
        assert decision == Expired(since=timetable.not_after)
    elif now >= timetable.urgent_at:
        assert decision == Renew(urgent=True)
    elif now >= timetable.renew_at:
        assert decision == Renew(urgent=False)
    else:
        assert isinstance(decision, Sleep)


@given(life=lives, fraction=fractions)
def test_a_fresh_certificate_is_never_due(life, fraction):
    assert isinstance(schedule(life, fraction).decide(START), Sleep)


@given(life=lives, fraction=fractions, now=instants, failures=st.integers(1, 40), value=octets)
def test_failures_never_put_a_renewal_off_for_longer_than_the_longest_retry(life, fraction, now, failures, value):
    timetable = schedule(life, fraction)
    back_off = back_off_after(failures, now=now, value=value)

    later = now + LONGEST_RETRY

    assert timetable.decide(later, back_off) == timetable.decide(later)


@given(failures=st.integers(1, 60), value=octets)
def test_the_delay_doubles_within_bounds_less_up_to_half(failures, value):
    back_off = back_off_after(failures, now=START, value=value)

    ceiling = min(FIRST_RETRY * 2 ** min(failures - 1, 20), LONGEST_RETRY)
    assert ceiling / 2 <= back_off.delay <= ceiling
    assert back_off.failures == failures


def test_a_failed_renewal_waits_before_the_next():
    timetable = schedule()
    now = timetable.renew_at + timedelta(hours=1)

    back_off = back_off_after(6, now=now)

    assert timetable.decide(now, back_off) == Sleep(seconds=32.0)
    assert timetable.decide(now + timedelta(seconds=32), back_off) == Renew(urgent=False)


def test_in_the_last_minute_the_wait_is_short():
    timetable = schedule()
    now = timetable.not_after - timedelta(seconds=50)
    back_off = back_off_after(20, now=now)

    assert timetable.decide(now, back_off) == Sleep(seconds=LONGEST_URGENT_RETRY.total_seconds())
    assert timetable.decide(now + LONGEST_URGENT_RETRY, back_off) == Renew(urgent=True)


def test_a_clock_set_back_behind_the_failure_ends_the_wait():
    timetable = schedule()
    wrong = timetable.not_after + timedelta(days=300)
    back_off = back_off_after(20, now=wrong)

    assert timetable.decide(timetable.renew_at, back_off) == Renew(urgent=False)


def test_a_clock_that_was_ahead_and_is_right_again_sleeps_on():
    timetable = schedule()

    assert timetable.decide(START + timedelta(days=30)) == Expired(since=timetable.not_after)
    assert isinstance(timetable.decide(START + timedelta(hours=1)), Sleep)


def test_a_laptop_that_slept_through_the_date_renews_on_waking():
    timetable = schedule()

    assert timetable.decide(timetable.renew_at + timedelta(hours=5)) == Renew(urgent=False)


@given(now=instants, due=instants)
def test_the_next_check_is_between_a_second_and_a_minute_away(now, due):
    assert timedelta(seconds=1) <= next_check(now, due) <= timedelta(seconds=60)


@given(value=octets)
def test_a_drawn_fraction_is_below_one(value):
    assert 0 <= draw_fraction(entropy_of(value)) < 1
