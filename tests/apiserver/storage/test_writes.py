"""Creating, changing and deleting: revisions, expectations, and what is answered to whom.

Test names follow those of the storage tests of k8s.io/apiserver where they are about the same.
"""

import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from apiserver.storage.opening import open_change_log
from apiserver.storage.records import StaleWrite
from store.errors import StoreUnavailable
from tests.apiserver.storage.samples import (
    FISCHERS,
    FLUNDERS,
    body_of,
    create,
    delete,
    key,
    large_body,
    names,
    update,
    write,
)


def refusal(future) -> StaleWrite:
    with pytest.raises(StaleWrite) as refused:
        future.result(60)
    return refused.value


def test_create_successful_create(log):
    before = log.current_revision()

    record = create(log, "a", label="first")

    assert record.revision == before + 1 == log.current_revision()
    assert record.body.inline == body_of("a/first")
    assert log.get(key("a")) == record
    assert (record.uid, record.deleted) == ("uid-default-a", False)


def test_create_with_key_exist(log):
    first = create(log, "a", label="first")

    refused = refusal(log.commit(write(key("a"), label="second")))

    assert refused.current is not None
    assert (refused.current.revision, refused.current.metadata) == (first.revision, first.metadata)
    assert log.current_revision() == first.revision


def test_key_schema_same_name_elsewhere_is_another_object(log):
    records = [
        create(log, "a", "x"),
        create(log, "a", "y"),
        create(log, "a", ""),
        create(log, "a", "x", storage=FISCHERS),
    ]

    assert len({record.revision for record in records}) == 4
    assert [log.get(record.key) for record in records] == records


def test_get_existing_and_non_existing(log):
    record = create(log, "a")

    assert log.get(key("a")) == record
    assert log.get(key("b")) is None
    assert log.get(key("a", "elsewhere")) is None


def test_get_without_body_reads_none(log):
    create(log, "a")

    record = log.get(key("a"), with_body=False)

    assert record is not None
    assert record.body.inline is None
    assert log.read_body(record.body) == body_of("a/")


def test_guaranteed_update_existing_key(log):
    first = create(log, "a", label="first")

    second = update(log, first, label="second")

    assert second.revision == first.revision + 1
    assert log.get(key("a")) == second


def test_guaranteed_update_non_existing_key(log):
    assert refusal(log.commit(write(key("a"), expected=7))).current is None


def test_guaranteed_update_with_conflict(log):
    first = create(log, "a")
    second = update(log, first)

    refused = refusal(log.commit(write(key("a"), expected=first.revision, label="late")))

    assert refused.current is not None
    assert refused.current.revision == second.revision
    assert log.get(key("a")) == second


def test_update_of_metadata_alone_keeps_the_body_where_it_is(log):
    first = create(log, "a", label="first")

    second = update(log, first, label="second", body=None)

    assert second.body.id == first.body.id
    found = log.get(key("a"))
    assert found is not None
    assert b"second" in found.metadata
    assert found.body.inline == body_of("a/first")


def test_conditional_delete(log):
    first = create(log, "a")
    second = update(log, first)

    refused = refusal(log.commit(write(key("a"), expected=first.revision, body=None, deletes=True)))
    tombstone = delete(log, second)

    assert refused.current is not None
    assert refused.current.revision == second.revision
    assert tombstone.deleted
    assert tombstone.revision == second.revision + 1
    assert tombstone.body.id == second.body.id
    assert log.get(key("a")) is None
    assert names(log) == []


def test_unconditional_delete_non_existing_key(log):
    assert refusal(log.commit(write(key("a"), expected=3, body=None, deletes=True))).current is None


def test_delete_with_conflict_after_delete(log):
    record = create(log, "a")
    delete(log, record)

    assert refusal(log.commit(write(key("a"), expected=record.revision, body=None, deletes=True))).current is None


def test_name_may_be_used_again_after_delete(log):
    first = create(log, "a", label="first")
    gone = delete(log, first)

    second = create(log, "a", label="second")

    assert second.revision == gone.revision + 1
    assert log.get(key("a")) == second


@pytest.mark.parametrize("deletes", [True, False])
def test_what_is_not_there_cannot_be_deleted_or_keep_its_body(log, deletes):
    with pytest.raises(ValueError, match="not there"):
        log.commit(write(key("a"), body=None, deletes=deletes)).result(60)
    assert log.get(key("a")) is None
    assert log.current_revision() == 1


def test_writes_of_one_group_are_judged_by_those_before_them(log):
    """Sent without waiting: whether they share a transaction or not, the outcome is the same."""
    record = create(log, "a", label="first")
    futures = [
        log.commit(write(key("a"), expected=record.revision, body=None, deletes=True)),
        log.commit(write(key("a"), expected=record.revision, label="late")),
        log.commit(write(key("a"), label="second")),
        log.commit(write(key("a"), label="third")),
        log.commit(write(key("a"), expected=record.revision + 2, label="fourth")),
        log.commit(write(key("a"), expected=record.revision + 3, body=None, deletes=True)),
        log.commit(write(key("a"), label="fifth")),
    ]
    wait(futures, 20)

    outcomes = [future.exception() or future.result().revision - record.revision for future in futures]
    assert [outcome if isinstance(outcome, int) else type(outcome) for outcome in outcomes] == [
        1, StaleWrite, 2, StaleWrite, 3, 4, 5,
    ]  # fmt: skip
    assert [change.type.value for change in log.changes(after=record.revision - 1, limit=9)] == [
        "ADDED", "DELETED", "ADDED", "MODIFIED", "DELETED", "ADDED",
    ]  # fmt: skip
    assert [revision for _, _, revision in names(log)] == [record.revision + 5]


def test_of_many_writers_that_expect_the_same_one_wins(log):
    record = create(log, "a")

    with ThreadPoolExecutor(8) as pool:
        futures = list(
            pool.map(lambda label: log.commit(write(key("a"), expected=record.revision, label=str(label))), range(40))
        )
    wait(futures, 20)

    won = [future.result() for future in futures if future.exception() is None]
    assert len(won) == 1
    assert all(isinstance(future.exception(), StaleWrite | None) for future in futures)
    assert log.get(key("a")) == won[0]
    assert log.current_revision() == record.revision + 1


def test_futures_resolve_in_the_order_of_revisions(log):
    """Also where large bodies, which are prepared apart, come between."""
    resolved: list[int] = []
    futures = []
    for number in range(60):
        body = large_body(number, 300_000) if number % 10 == 3 else b""
        future = log.commit(write(key(f"n{number}"), body=body))
        future.add_done_callback(lambda done: resolved.append(done.result().revision))
        futures.append(future)
    wait(futures, 60)

    assert resolved == sorted(resolved)
    assert sorted(resolved) == list(range(2, 62))


def test_write_that_nobody_waits_for_any_more_may_be_left_out_but_not_half_done(log):
    futures = [log.commit(write(key(f"n{number}"))) for number in range(200)]
    cancelled = {f"n{number}" for number, future in enumerate(futures) if number % 2 and future.cancel()}
    wait(futures, 20)

    there = {name for _, name, _ in names(log)}
    assert there == {f"n{number}" for number in range(200)} - cancelled
    assert log.current_revision() == 1 + len(there)


def test_everything_is_there_after_reopening(log, url, directory):
    record = create(log, "a")
    large = create(log, "b", body=large_body("b"))
    revision = log.current_revision()
    log.close()

    again = open_change_log(url, directory)

    assert again.current_revision() == revision
    assert [again.get(key("a")), again.get(key("b"))] == [record, large]
    again.close()


def test_close_finishes_what_was_committed(log, url, directory):
    """More than one group."""
    futures = [
        log.commit(write(key(f"n{number}"), body=large_body(number) if number % 100 == 0 else b""))
        for number in range(1000)
    ]
    log.close()

    assert all(future.done() and future.exception() is None for future in futures)
    again = open_change_log(url, directory)
    assert again.counts() == {FLUNDERS: 1000}
    again.close()


@pytest.mark.parametrize("body", [b"", large_body("late")])
def test_commit_after_close_fails_with_an_error_of_the_store(log, body):
    log.close()

    with pytest.raises(StoreUnavailable):
        log.commit(write(key("a"), body=body)).result(60)


def test_subscriber_is_woken_after_commits_and_can_see_them(log):
    seen: list[int] = []
    woken = threading.Event()

    def wake() -> None:
        seen.append(log.current_revision())
        woken.set()

    end = log.subscribe(wake)
    record = create(log, "a")
    assert woken.wait(20)
    assert max(seen) >= record.revision

    end()
    others_woken = threading.Event()
    log.subscribe(others_woken.set)
    later = create(log, "b")
    assert others_woken.wait(20)
    assert max(seen) < later.revision


def test_subscriber_that_fails_harms_nobody(log):
    woken = threading.Event()

    def fail() -> None:
        raise LookupError("of the subscriber")

    log.subscribe(fail)
    log.subscribe(woken.set)

    record = create(log, "a")

    assert woken.wait(20)
    assert log.get(key("a")) == record


def test_refused_writes_wake_nobody(sqlite_log):
    create(sqlite_log, "a")
    woken: list[int] = []
    sqlite_log.subscribe(lambda: woken.append(1))

    refusal(sqlite_log.commit(write(key("a"))))
    refusal(sqlite_log.commit(write(key("b"), expected=9)))

    assert woken == []
