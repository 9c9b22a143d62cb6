"""Clocks are compared by what the API server says of the time, and no answer is no difference."""

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from kube.clock_skew import ClockComparison, skew_seconds
from kube.errors import ClusterUnreachable
from tests.kube.ambient import await_until

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
AT = NOON.timestamp()
DATE = format_datetime(NOON, usegmt=True)


@pytest.mark.parametrize(
    ("before", "after", "skew"),
    [
        (AT, AT, 0),
        (AT + 0.9, AT + 0.95, 0),  # the header has no fractions
        (AT - 3, AT + 3, 0),  # and was written somewhere in between
        (AT + 61, AT + 62, 60),
        (AT - 62, AT - 60, -60),
    ],
)
def test_only_what_no_delay_explains_is_a_difference(before: float, after: float, skew: float) -> None:
    assert skew_seconds(DATE, before=before, after=after) == pytest.approx(skew)


@pytest.mark.parametrize("date", ["", "now", "Mon, 99 Jun 2026 12:00:00 GMT", "1 Jan 99999 00:00:00 GMT", "\x00"])
def test_header_that_is_no_date_tells_nothing(date: str) -> None:
    assert math.isnan(skew_seconds(date, before=AT, after=AT))


def test_api_server_that_does_not_answer_tells_nothing() -> None:
    def ask() -> dict[str, str]:
        raise ClusterUnreachable("away")

    assert math.isnan(ClockComparison(ask, clock=lambda: NOON, show=lambda _: None).compare())


def test_differences_are_shown_until_it_is_stopped() -> None:
    shown: list[float] = []
    comparison = ClockComparison(
        lambda: {"Date": DATE}, clock=lambda: NOON + timedelta(minutes=2), show=shown.append, every=0.01
    )
    comparison.start()
    try:
        await_until(lambda: len(shown) > 1, "two comparisons")
    finally:
        comparison.stop()

    assert shown[0] == pytest.approx(119)
