"""A watch goes on over the hour of its administrator, broken connections and pods that go; and ends where it never began."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from cli import ambient
from cli.commands.list_ import CURSOR_MARK
from cli.kubectl.watching import Cursors, watch
from kube.errors import ClusterUnreachable, Forbidden
from tests.ca.server import MovableClock

HOUR = timedelta(hours=1)
OPTIONS = ["--watch", "--resume-cursor=3", "--output=json"]
Outcome = int | Exception


@dataclass
class FakeErrand:
    """Each run lasts as long, writes that to standard error, and ends so."""

    clock: MovableClock
    runs: list[tuple[timedelta, str, Outcome]]
    asked: list[list[str]] = field(default_factory=list)
    errors: bytearray = field(default_factory=bytearray)

    def run(self, command, options, arguments=(), *, errors: Callable = lambda sink: sink) -> int:
        self.asked.append([*command, *options])
        lasts, said, outcome = self.runs.pop(0)
        errors(self.errors.extend)(said.encode())
        self.clock.advance(lasts)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def look_again(self) -> None:
        pass


@pytest.fixture
def follow(monkeypatch):
    def follow(*runs):
        clock = MovableClock()
        monkeypatch.setattr(ambient, "clock", clock)
        errand, pauses = FakeErrand(clock, list(runs)), []
        try:
            status = watch(errand, ["list"], OPTIONS, pause=pauses.append)
        except (ClusterUnreachable, Forbidden) as err:
            status = err
        return errand, status, pauses

    return follow


def cursor(value):
    return f"{CURSOR_MARK}{value}\n"


def test_watch_goes_on_after_its_hour_where_it_stopped(follow):
    over = "ca-cli: error: this client certificate expired\nhint: get a new one\n"
    errand, status, pauses = follow((HOUR, cursor(7) + cursor(8) + over, 4), (HOUR, over, 4), (HOUR, "", 0))

    assert status == 0
    assert errand.errors == b""
    assert pauses == []
    assert errand.asked[0] == ["list", *OPTIONS, "--report-cursors"]
    assert errand.asked[1:] == 2 * [["list", "--watch", "--output=json", "--resume-cursor=8", "--report-cursors"]]


@pytest.mark.parametrize("broken", [ClusterUnreachable("gone"), 137, 143, 5])
def test_watch_goes_on_where_connection_or_pod_went_away(follow, broken):
    second = timedelta(seconds=1)
    errand, status, pauses = follow(
        (second, cursor(7), broken), (second, "", broken), (second, "", broken), (second, "", 0)
    )

    assert status == 0
    assert pauses == [1.0, 2.0, 4.0]
    assert errand.asked[-1][-2] == "--resume-cursor=7"


@pytest.mark.parametrize("outcome", [ClusterUnreachable("no pod is ready"), Forbidden("no"), 2, 4, 5, 137])
def test_watch_that_never_began_is_not_begun_again(follow, outcome):
    errand, status, _ = follow((timedelta(seconds=1), "ca-cli: error: why\nmore\n", outcome))

    assert status == outcome
    assert errand.errors == b"more\nca-cli: error: why\n"


def test_who_is_refused_in_the_middle_is_told(follow):
    assert follow((HOUR, cursor(7), Forbidden("no")))[1].args == ("no",)
    assert follow((HOUR, cursor(7), 4), (timedelta(seconds=1), "", 4))[1] == 4


def test_cursors_are_taken_out_of_what_is_written_to_standard_error():
    cursors, written = Cursors(), bytearray()
    read = cursors.reading(written.extend)
    for octet in f"notice \u00e9\n{cursor(41)}{CURSOR_MARK}4".encode():
        read(bytes([octet]))
    before = cursors.last
    read(b"2\nerror\n")

    assert (before, cursors.last) == ("41", "42")
    assert written.decode() == "notice \u00e9\nerror\n"
