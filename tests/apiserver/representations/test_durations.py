"""Ages, as kubectl shows them."""

import pytest

from apiserver.representations.durations import human_duration


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (599, "9m59s"), (600, "10m"),
        (3599, "59m"),
        (10_799, "179m"), (10_800, "3h"), (10_860, "3h1m"), (28_799, "7h59m"), (28_800, "8h"), (172_799, "47h"), (172_800, "2d"),
        (176_400, "2d1h"), (691_199, "7d23h"), (691_200, "8d"), (63_071_999, "729d"), (63_072_000, "2y"), (63_158_400, "2y1d"),
        (252_288_000, "8y"),
    ],
)  # fmt: skip
def test_age(seconds, shown):
    assert human_duration(seconds) == shown
