from dataclasses import replace
from datetime import timedelta

import pytest

from agent.credentials import Credentials
from agent.errors import CredentialsInvalid, PublishFailed, ReloadFailed, RenewalFailed, StorageFull
from agent.identity import load_credentials, publish_credentials
from agent.renewer import Reloaded, Renewed, Renewer, Scheduled, StepFailed, TrustChanged

DAY = timedelta(hours=24)


class Authority:
    """Issues a day from now on, unless errors are queued."""

    def __init__(self, clock, make_credentials) -> None:
        self.clock = clock
        self.make_credentials = make_credentials
        self.backdate = timedelta(0)
        self.errors: list[Exception] = []
        self.asked: list[Credentials] = []

    def renew(self, current: Credentials) -> Credentials:
        self.asked.append(current)
        if self.errors:
            raise self.errors.pop(0)
        return self.make_credentials(not_before=self.clock.now - self.backdate)


class Hook:
    description = "hook"

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.runs = 0

    def run(self) -> None:
        self.runs += 1
        if self.errors:
            raise self.errors.pop(0)


class Daemon:
    """A renewer over real files, whose pauses move the clock."""

    def __init__(self, directory, clock, make_credentials, **options) -> None:
        self.directory = directory
        self.clock = clock
        self.authority = Authority(clock, make_credentials)
        self.hook = Hook()
        self.events = []
        self.publish_errors: list[PublishFailed] = []
        self.first = make_credentials(not_before=clock.now)
        publish_credentials(directory, self.first)
        self.renewer = Renewer(
            load=lambda: load_credentials(directory),
            renew=self.authority.renew,
            publish=self._publish,
            hooks=[self.hook],
            clock=clock,
            entropy=bytes,
            pause=self._pause,
            report=self.events.append,
            **options,
        )
        self.end = clock.now

    def run_for(self, span: timedelta) -> None:
        self.end = self.clock.now + span
        self.renewer.run()

    def go_on_for(self, span: timedelta) -> None:
        self.end = self.clock.now + span
        while not self._pause(self.renewer.step()):
            pass

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def on_disk(self) -> Credentials:
        return load_credentials(self.directory)

    def _publish(self, credentials: Credentials) -> None:
        if self.publish_errors:
            raise self.publish_errors.pop(0)
        publish_credentials(self.directory, credentials)

    def _pause(self, seconds: float) -> bool:
        assert 0 < seconds <= 60
        self.clock.move(timedelta(seconds=seconds))
        return self.clock.now >= self.end


@pytest.fixture
def daemon(tmp_path, clock, make_credentials):
    return Daemon(tmp_path / "identity", clock, make_credentials)


def test_a_certificate_is_renewed_at_two_thirds_and_its_users_told(daemon):
    daemon.run_for(timedelta(hours=17))

    assert daemon.authority.asked == [daemon.first]
    assert daemon.on_disk.not_before - daemon.first.not_before == timedelta(hours=16)
    assert [type(event) for event in daemon.events] == [Scheduled, Renewed, Scheduled, Reloaded]


def test_a_week_takes_ten_renewals(daemon):
    daemon.run_for(timedelta(days=7))

    assert len(daemon.of(Renewed)) == 10
    assert daemon.hook.runs == 10
    assert daemon.of(StepFailed) == []


def test_a_period_is_obeyed(tmp_path, clock, make_credentials):
    daemon = Daemon(tmp_path / "identity", clock, make_credentials, period=timedelta(hours=1))

    daemon.run_for(timedelta(hours=5, minutes=30))

    assert len(daemon.of(Renewed)) == 5


def test_what_the_authority_wants_renewed_now_is_renewed_at_the_next_look(tmp_path, clock, make_credentials):
    wanted = []
    daemon = Daemon(tmp_path / "identity", clock, make_credentials, hurried=lambda held: held.fingerprint in wanted)
    daemon.run_for(timedelta(hours=1))
    assert daemon.of(Renewed) == []

    wanted.append(daemon.first.fingerprint)
    daemon.go_on_for(timedelta(minutes=2))

    assert daemon.authority.asked == [daemon.first]
    assert daemon.on_disk.not_before - daemon.first.not_before <= timedelta(minutes=62)


def test_certificates_that_are_never_as_they_are_wanted_are_asked_for_less_and_less_often(
    tmp_path, clock, make_credentials
):
    daemon = Daemon(tmp_path / "identity", clock, make_credentials, hurried=lambda _held: True)

    daemon.run_for(timedelta(hours=2))

    assert len(daemon.of(Renewed)) <= 7 + 24 * 2


def test_hook_that_raises_what_nobody_announced_costs_no_certificate(daemon):
    daemon.hook.errors = [OSError("no room")] * 3

    daemon.run_for(timedelta(hours=17))

    assert [str(failure.error) for failure in daemon.of(StepFailed)] == ["no room"] * 3
    assert daemon.hook.runs == 4


def test_each_hook_is_a_sign_of_life(tmp_path, clock, make_credentials):
    beats = []
    daemon = Daemon(tmp_path / "identity", clock, make_credentials, beat=lambda: beats.append(daemon.hook.runs))

    daemon.run_for(timedelta(hours=17))

    assert beats == [1]


def test_a_renewal_ahead_of_time_that_fails_is_backed_off_like_any_other(tmp_path, clock, make_credentials):
    daemon = Daemon(tmp_path / "identity", clock, make_credentials)
    daemon.renewer._hurried = lambda held: held.fingerprint == daemon.first.fingerprint
    daemon.authority.errors = [RenewalFailed("authority is away") for _ in range(9)]

    daemon.run_for(timedelta(hours=1))

    assert [failure.retry_in.total_seconds() for failure in daemon.of(StepFailed)[:5]] == [1, 2, 4, 8, 16]
    assert len(daemon.of(Renewed)) == 1


def test_failures_are_reported_backed_off_and_survived(daemon):
    daemon.authority.errors = [RenewalFailed("authority is away") for _ in range(12)]

    daemon.run_for(timedelta(hours=18))

    failures = daemon.of(StepFailed)
    assert [failure.step for failure in failures] == ["renew"] * 12
    assert [failure.retry_in.total_seconds() for failure in failures[:5]] == [1, 2, 4, 8, 16]
    assert max(failure.retry_in for failure in failures) <= timedelta(minutes=5)
    assert len(daemon.of(Renewed)) == 1


def test_failure_classes_handed_in_are_survived_and_others_leave_the_loop(tmp_path, clock, make_credentials):
    daemon = Daemon(tmp_path / "identity", clock, make_credentials, failures=(LookupError,))
    daemon.authority.errors = [LookupError("expected"), ZeroDivisionError("a mistake")]

    with pytest.raises(ZeroDivisionError):
        daemon.run_for(timedelta(hours=18))

    assert len(daemon.of(StepFailed)) == 1


def test_an_expired_certificate_is_still_renewed_once_the_authority_is_back(daemon):
    daemon.authority.errors = [RenewalFailed("authority is away") for _ in range(400)]

    daemon.run_for(timedelta(days=3))

    assert any(failure.expired for failure in daemon.of(StepFailed))
    assert daemon.on_disk.not_after > daemon.clock.now


def test_a_full_disk_keeps_the_new_certificate_and_publishes_it_later(daemon):
    daemon.publish_errors = [StorageFull("no room")] * 3

    daemon.run_for(timedelta(hours=17))

    assert len(daemon.authority.asked) == 1
    assert [failure.step for failure in daemon.of(StepFailed)] == ["publish"] * 3
    assert daemon.on_disk.not_before - daemon.first.not_before == timedelta(hours=16)


def test_a_hook_that_fails_is_run_again_and_never_costs_the_certificate(daemon):
    daemon.hook.errors = [ReloadFailed("no such process")] * 2

    daemon.run_for(timedelta(hours=17))

    assert daemon.hook.runs == 3
    assert len(daemon.of(Reloaded)) == 1
    assert len(daemon.of(Renewed)) == 1


def test_a_certificate_renewed_by_other_hands_counts(daemon, clock, make_credentials):
    daemon.run_for(timedelta(hours=10))
    publish_credentials(daemon.directory, make_credentials(not_before=clock.now))

    daemon.run_for(timedelta(hours=10))

    assert daemon.authority.asked == []


def test_files_lost_while_running_are_healed_by_the_renewal(daemon):
    daemon.run_for(timedelta(hours=15))
    (daemon.directory / "..data").unlink()

    daemon.go_on_for(timedelta(hours=2))

    assert {failure.step for failure in daemon.of(StepFailed)} == {"load"}
    assert daemon.on_disk.not_before - daemon.first.not_before == timedelta(hours=16)


def test_nothing_to_start_from_is_an_error(daemon):
    (daemon.directory / "..data").unlink()

    with pytest.raises(CredentialsInvalid):
        daemon.run_for(timedelta(hours=1))


def test_certificates_that_are_due_on_arrival_do_not_make_a_busy_loop(daemon, clock):
    daemon.authority.backdate = timedelta(hours=20)
    clock.move(timedelta(hours=16))

    daemon.run_for(timedelta(hours=2))

    assert len(daemon.of(Renewed)) < 40


def test_a_laptop_that_slept_renews_at_the_first_look(daemon):
    daemon.run_for(timedelta(hours=1))
    daemon.clock.move(timedelta(hours=22, minutes=30))

    daemon.run_for(timedelta(minutes=2))

    assert len(daemon.of(Renewed)) == 1


def test_a_clock_that_was_wrong_for_a_while_does_no_harm(daemon):
    daemon.authority.errors = [RenewalFailed("certificate expired")] * 1000
    daemon.clock.move(timedelta(days=300))
    daemon.run_for(timedelta(hours=1))
    daemon.authority.errors.clear()
    daemon.clock.move(timedelta(days=-300))

    daemon.run_for(timedelta(hours=16))

    assert daemon.on_disk.not_before - daemon.first.not_before == timedelta(hours=16)


def test_other_roots_are_told_to_the_hooks_without_a_renewal(daemon):
    daemon.run_for(timedelta(hours=1))
    publish_credentials(daemon.directory, replace(daemon.on_disk, trust_bundle=b"other roots\n"))
    daemon.hook.errors = [ReloadFailed("busy")]
    daemon.go_on_for(timedelta(seconds=30))
    told_at_first = daemon.renewer.is_told

    daemon.go_on_for(timedelta(minutes=5))

    assert (told_at_first, daemon.renewer.is_told) == (False, True)
    assert daemon.hook.runs == 2
    assert len(daemon.of(TrustChanged)) == 1
    assert daemon.of(Renewed) == []
