from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ThresholdInvalid
from agent.needs_renewal import DEFAULT_THRESHOLD, Threshold, any_needs_renewal, needs_renewal

DAY = timedelta(hours=24)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("66%", Threshold(share_of_life=0.66)),
        ("0.5%", Threshold(share_of_life=0.005)),
        ("100%", Threshold(share_of_life=1.0)),
        ("8h", Threshold(remaining=timedelta(hours=8))),
        (" 30d ", Threshold(remaining=timedelta(days=30))),
        ("1h30m", Threshold(remaining=timedelta(minutes=90))),
    ],
)
def test_thresholds_read_as_people_write_them(text, expected):
    assert Threshold.from_text(text) == expected


@pytest.mark.parametrize("text", ["", "0%", "101%", "66", "66 %", "-8h", "0s", "8 hours", "1e3%", "٦٦%", "%"])
def test_anything_else_is_refused(text):
    with pytest.raises(ThresholdInvalid):
        Threshold.from_text(text)


@given(st.text(max_size=20))
def test_no_text_escapes_the_error_tree(text):
    try:
        threshold = Threshold.from_text(text)
    except ThresholdInvalid:
        return

    assert (threshold.share_of_life is None) != (threshold.remaining is None)


def test_due_once_the_share_of_life_has_passed(make_credentials):
    leaf = make_credentials(life=DAY * 100).leaf

    assert not needs_renewal(leaf, leaf.not_valid_before_utc + DAY * 66 - timedelta(seconds=1))
    assert needs_renewal(leaf, leaf.not_valid_before_utc + DAY * 66 + timedelta(seconds=1))
    assert Threshold.from_text("66%") == DEFAULT_THRESHOLD


def test_due_once_no_more_than_the_remaining_time_is_left(make_credentials):
    leaf = make_credentials(life=DAY).leaf
    threshold = Threshold.from_text("8h")

    assert not needs_renewal(leaf, leaf.not_valid_after_utc - timedelta(hours=8, seconds=1), threshold)
    assert needs_renewal(leaf, leaf.not_valid_after_utc - timedelta(hours=8), threshold)


def test_an_expired_certificate_is_due_whatever_the_threshold(make_credentials):
    leaf = make_credentials(life=DAY).leaf

    assert needs_renewal(leaf, leaf.not_valid_after_utc + timedelta(seconds=1), Threshold.from_text("100%"))


def test_a_chain_is_due_with_its_first_due_link(make_credentials):
    long, short = make_credentials(life=DAY * 90).leaf, make_credentials(life=DAY).leaf
    now = short.not_valid_after_utc

    assert any_needs_renewal([long, short], now)
    assert not any_needs_renewal([long], now)
