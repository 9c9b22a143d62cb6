"""The query parameter `timeout`."""

import pytest

from apiserver.errors import BadRequest
from apiserver.requests.timeouts import deadline


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 60),
        ("5s", 5),
        ("1m30s", 60),
        ("0.5s", 0.5),
        (".5s", 0.5),
        ("250ms", 0.25),
        ("+2s", 2),
        ("0", 60),
        ("-5s", 60),
    ],
)
def test_a_shorter_deadline_can_be_asked_for(text, seconds):
    assert deadline({"timeout": text}, 60) == seconds


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", 'invalid duration "x"'),
        ("5", 'missing unit in duration "5"'),
        ("1m5", 'missing unit in duration "1m5"'),
        ("5d", 'invalid duration "5d"'),
        ("5 s", 'invalid duration "5 s"'),
        ("s", 'invalid duration "s"'),
        ("--5s", 'invalid duration "--5s"'),
        ("9" * 5000 + "s", "invalid duration"),
    ],
)
def test_what_is_no_duration_is_refused_in_its_words(text, why):
    with pytest.raises(BadRequest) as caught:
        deadline({"timeout": text}, 60)

    assert caught.value.message.startswith(f"invalid timeout specified in the request URL - time: {why}")


def test_without_one_the_deadline_is_the_servers():
    assert deadline({}, 60) == 60
