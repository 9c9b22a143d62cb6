"""Keys are worked on once for each time that they are told, by one worker, at their time by either clock."""

import threading
from collections import Counter
from datetime import timedelta
from time import monotonic

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kube.controllers import Key
from kube.work_queue import Agenda, Retries, WorkQueue
from tests.kube.ambient import Time, await_until, no_entropy, real_clock
from tests.threads import join

A, B = Key(name="a"), Key(name="b")


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def queue(time: Time) -> WorkQueue:
    made = WorkQueue(clock=time.clock, monotonic=time.monotonic, entropy=no_entropy)
    made.open()
    return made


def take_all(queue: WorkQueue) -> list[Key]:
    taken = []
    while (key := queue._agenda.take(queue._now())) is not None:
        taken.append(key)
    return taken


def test_key_that_is_told_twice_is_worked_on_once(queue: WorkQueue):
    queue.add(A, B, A)

    assert take_all(queue) == [A, B]


def test_key_that_is_told_while_it_is_worked_on_waits_for_that_worker(queue: WorkQueue):
    queue.add(A)
    assert queue.take() == A
    queue.add(A)
    assert take_all(queue) == []
    queue.succeed(A, None)

    assert take_all(queue) == [A]


def test_failures_wait_twice_as_long_each_time_and_are_forgotten_after_a_success(queue: WorkQueue):
    waits = []
    for _ in range(12):
        queue.add(A)
        queue.take()
        waits.append(queue.fail(A))
    queue.add(A)
    queue.take()
    queue.succeed(A, None)
    queue.add(A)
    queue.take()

    assert waits[:4] == [0.5, 1, 2, 4]
    assert waits[-1] == 300
    assert queue.fail(A) == 0.5


def test_advice_of_the_server_is_a_least_wait(queue: WorkQueue):
    queue.add(A)
    queue.take()

    assert queue.fail(A, at_least=30) == 30


def test_failures_of_many_keys_are_repeated_at_a_bounded_rate(time: Time):
    retries = Retries(rate=10, burst=20)
    queue = WorkQueue(clock=time.clock, monotonic=time.monotonic, entropy=no_entropy, retries=retries)
    queue.open()
    keys = [Key(name=str(number)) for number in range(120)]
    queue.add(*keys)
    take_all(queue)
    waits = [queue.fail(key) for key in keys]

    assert waits[19] == 0.5
    assert waits[-1] == pytest.approx(0.5 + 10)


@pytest.mark.parametrize("jump", ["both", "sleep", "clock set back"])
def test_look_is_taken_at_its_time_by_either_clock(queue: WorkQueue, time: Time, jump: str):
    queue.add(A)
    queue.take()
    queue.succeed(A, timedelta(hours=8))
    time.pass_by(7 * 3600)
    assert take_all(queue) == []
    match jump:
        case "both":
            time.pass_by(3600)
        case "sleep":
            time.wall += 3600
        case "clock set back":
            time.wall -= 86400
            time.mono += 3600

    assert take_all(queue) == [A]
    assert queue.waiting == 0


def test_earlier_of_two_looks_counts_and_comes_once(queue: WorkQueue, time: Time):
    for seconds in (100, 10, 50):
        queue.add(A)
        queue.take()
        queue.succeed(A, timedelta(seconds=seconds))
        if seconds == 100:
            queue._agenda.add_after(A, 10, queue._now())
    time.pass_by(200)

    assert take_all(queue) == [A]


def test_key_that_is_told_does_not_wait_for_its_backoff(queue: WorkQueue):
    queue.add(A)
    queue.take()
    queue.fail(A)
    queue.add(A)

    assert take_all(queue) == [A]


def test_closed_queue_forgets_and_takes_nothing(queue: WorkQueue, time: Time):
    queue.add(A, B)
    taken = queue.take()
    queue.close()
    queue.add(B)
    queue.fail(taken)
    queue.open()
    time.pass_by(1000)

    assert take_all(queue) == []


def test_stop_ends_workers_that_wait(queue: WorkQueue):
    took: list[Key | None] = []
    worker = threading.Thread(target=lambda: took.append(queue.take()))
    worker.start()
    queue.stop()
    join(worker)

    assert took == [None]


def test_many_workers_never_have_one_key_at_once():
    queue = WorkQueue(clock=real_clock, monotonic=monotonic, entropy=no_entropy)
    queue.open()
    keys = [Key(name=str(number)) for number in range(5)]
    held: Counter[Key] = Counter()
    worked: Counter[Key] = Counter()
    together = []
    lock = threading.Lock()

    def work() -> None:
        while (key := queue.take()) is not None:
            with lock:
                held[key] += 1
                together.append(held[key])
            with lock:
                held[key] -= 1
                worked[key] += 1
            queue.succeed(key, None)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for _ in range(300):
        queue.add(*keys)
    await_until(lambda: queue.depth == 0 and all(worked[key] for key in keys), "the work")
    queue.stop()
    join(*workers)

    assert max(together) == 1


class AgendaMachine(RuleBasedStateMachine):
    """Against a model: a set of keys to be worked on, and for each key its earliest time."""

    def __init__(self) -> None:
        super().__init__()
        self.agenda = Agenda()
        self.now = 0.0
        self.wanted: set[Key] = set()
        self.due: dict[Key, float] = {}
        self.held: set[Key] = set()

    keys = st.sampled_from([Key(name=name) for name in "abcd"])

    @rule(key=keys)
    def add(self, key: Key) -> None:
        self.agenda.add(key)
        self.wanted.add(key)
        self.due.pop(key, None)

    @rule(key=keys, seconds=st.integers(0, 100))
    def add_after(self, key: Key, seconds: int) -> None:
        self.agenda.add_after(key, seconds, (self.now, self.now))
        if key not in self.wanted:
            self.due[key] = min(self.due.get(key, float("inf")), self.now + seconds)

    @rule(seconds=st.integers(1, 60))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        for key in [key for key, at in self.due.items() if at <= self.now]:
            del self.due[key]
            self.wanted.add(key)
        taken = self.agenda.take((self.now, self.now))
        if taken is None:
            assert self.wanted <= self.held
        else:
            assert taken in self.wanted - self.held
            self.wanted.discard(taken)
            self.held.add(taken)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.held)))
        self.agenda.done(key)
        self.held.discard(key)

    @rule()
    def clear(self) -> None:
        self.agenda.clear()
        self.wanted.clear()
        self.due.clear()

    @invariant()
    def next_look_is_not_too_late(self) -> None:
        if self.due:
            seconds = self.agenda.seconds_to_next((self.now, self.now))
            assert seconds is not None
            assert self.now + seconds <= max(self.now, min(self.due.values()))


TestAgenda = AgendaMachine.TestCase
TestAgenda.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
