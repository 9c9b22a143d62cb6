"""Lists: order, spans, pages, snapshots at every revision, counts.

Test names follow those of the storage tests of k8s.io/apiserver where they are about the same.
"""

import itertools

import pytest

from apiserver.storage.change_log import StoredChangeLog
from apiserver.storage.compaction import compact
from apiserver.storage.records import Compacted, Statistics
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


@pytest.fixture
def history(log):
    """Eight writes. Returns what was present after each of them, by revision; the first is before all."""
    first = log.current_revision()
    present: dict[tuple[str, str], int] = {}
    states = {first: {}}

    def note(record):
        place = record.key.namespace, record.key.name
        if record.deleted:
            del present[place]
        else:
            present[place] = record.revision
        states[record.revision] = dict(present)
        return record

    a = note(create(log, "a", "x"))
    b = note(create(log, "b", "x"))
    create_elsewhere = note_elsewhere(log, states)
    c = note(create(log, "a", "y"))
    b = note(update(log, b))
    note(delete(log, a))
    note(create(log, "a", "x", label="again"))
    note(update(log, c, body=None))
    note(delete(log, b))
    assert create_elsewhere.revision in states
    return states


def note_elsewhere(log, states):
    """A write of another kind: it has a revision, too, and changes nothing here."""
    before = states[max(states)]
    record = create(log, "a", "x", storage=FISCHERS)
    states[record.revision] = dict(before)
    return record


def expected(state, namespace=None):
    return [(*place, revision) for place, revision in sorted(state.items()) if namespace in {None, place[0]}]


def test_list_at_exact_rv_before_first_write_to_after_writes(log, history):
    for revision, state in history.items():
        assert names(log, at=revision) == expected(state), revision
        assert names(log, at=revision, namespace="x") == expected(state, "x"), revision
        assert names(log, at=revision, namespace="none") == []


def test_list_at_exact_rv_with_limit_and_continue(log, history):
    """From behind every key that there ever was, and keys between and beyond."""
    places = [("", ""), ("x", "a"), ("x", "aa"), ("x", "b"), ("y", ""), ("y", "a"), ("z", "z")]
    for (revision, state), after, limit in itertools.product(history.items(), places, (1, 2, 9)):
        page = log.page(FLUNDERS, namespace=None, at=revision, after=after, limit=limit, with_bodies=False)
        behind = [one for one in expected(state) if one[:2] > after]
        assert [(one.key.namespace, one.key.name, one.revision) for one in page.records] == behind[:limit]
        assert page.more == (len(behind) > limit)
        assert page.revision == revision


def test_count_is_that_of_the_list(log, history):
    places = [None, ("x", "a"), ("x", "b"), ("y", ""), ("z", "z")]
    for (revision, state), after, namespace in itertools.product(history.items(), places, (None, "x", "y", "none")):
        behind = [one for one in expected(state, namespace) if after is None or one[:2] > after]
        assert log.count(FLUNDERS, namespace=namespace, at=revision, after=after) == len(behind)


def test_count_is_right_whatever_has_happened_since_the_last(log):
    def count():
        return log.count(FLUNDERS, namespace="x", at=log.current_revision(), after=None)

    first, second, _ = [create(log, name, "x") for name in "abc"]
    counts = [count()]
    update(log, first)
    delete(log, second)
    create(log, "d", "y")
    counts.append(count())
    again = create(log, "b", "x", label="again")
    counts.append(count())
    for future in [log.commit(write(key(f"n{number:03}", "x"))) for number in range(150)]:
        future.result(60)
    counts.append(count())
    delete(log, again)
    compact(log.database, log.current_revision())
    counts.append(count())

    assert counts == [3, 2, 3, 153, 152]


def test_list_with_name_matching(log, history):
    for revision, state in history.items():
        for namespace, name in ((None, "a"), ("x", "a"), ("x", "b"), ("y", "none")):
            page = log.page(
                FLUNDERS, namespace=namespace, at=revision, after=None, limit=9, with_bodies=False, name=name
            )
            assert [(one.key.namespace, one.key.name, one.revision) for one in page.records] == [
                one for one in expected(state, namespace) if one[1] == name
            ]


def test_consistent_list_tells_the_newest_revision(log, history):
    page = log.page(FLUNDERS, namespace=None, at=None, after=None, limit=9, with_bodies=False)

    assert page.revision == log.current_revision() == max(history)
    assert [(one.key.namespace, one.key.name, one.revision) for one in page.records] == expected(history[max(history)])


def test_list_of_nothing_tells_the_newest_revision(log):
    page = log.page(FLUNDERS, namespace=None, at=None, after=None, limit=9, with_bodies=True)

    assert (page.records, page.more, page.revision) == ([], False, log.current_revision())


def test_list_paging_stays_at_its_snapshot_whatever_is_written_meanwhile(log):
    records = [create(log, f"n{number}") for number in range(7)]
    found, after, at = [], None, None
    for step in range(4):
        page = log.page(FLUNDERS, namespace="default", at=at, after=after, limit=2, with_bodies=True)
        found += page.records
        at, after = page.revision, ("default", page.records[-1].key.name)
        delete(log, records[6 - step])
        create(log, f"n{step}-new")
        update(log, records[step % 2])
        records[step % 2] = log.get(records[step % 2].key)

    assert not page.more
    assert [(one.key.name, one.body.inline) for one in found] == [
        (f"n{number}", body_of(f"n{number}/")) for number in range(7)
    ]


def test_compact_revision_earlier_lists_are_told(log, history):
    revisions = sorted(history)
    upto = revisions[5]

    compact(log.database, upto)

    assert log.oldest_revision() == upto
    for revision in revisions:
        if revision < upto:
            with pytest.raises(Compacted) as refused:
                names(log, at=revision)
            assert (refused.value.asked, refused.value.oldest) == (revision, upto)
        else:
            assert names(log, at=revision) == expected(history[revision])
    with pytest.raises(Compacted):
        log.page(FLUNDERS, namespace=None, at=0, after=None, limit=9, with_bodies=False)


def test_list_resource_version_of_the_future_is_as_now(log, history):
    """Whether it may be asked for is decided above."""
    assert names(log, at=max(history) + 100) == expected(history[max(history)])


def test_order_is_that_of_octets(log):
    for name in ("b", "a-b", "a", "a.b", "ab", "0", "a0"):
        create(log, name)

    assert [name for _, name, _ in names(log)] == ["0", "a", "a-b", "a.b", "a0", "ab", "b"]


def test_page_with_bodies_ends_where_they_would_be_too_many(log):
    for number in range(5):
        create(log, f"n{number}", body=large_body(number, 3 << 20))

    page = log.page(FLUNDERS, namespace=None, at=None, after=None, limit=5, with_bodies=True)

    assert [one.body.inline for one in page.records] == [large_body(number, 3 << 20) for number in range(2)]
    assert page.more
    assert len(log.page(FLUNDERS, namespace=None, at=None, after=None, limit=5, with_bodies=False).records) == 5


def test_page_has_one_body_at_least(log):
    create(log, "a", body=large_body("a", 10 << 20))
    create(log, "b")

    page = log.page(FLUNDERS, namespace=None, at=None, after=None, limit=5, with_bodies=True)

    assert [one.key.name for one in page.records] == ["a"]
    assert page.more


def test_page_of_many_bodies_has_each_of_them(log):
    for future in [log.commit(write(key(f"n{number:03}"), label=str(number))) for number in range(150)]:
        future.result(60)
    forgetful = StoredChangeLog(log.database, log.files, cache_octets=0)

    page = forgetful.page(FLUNDERS, namespace=None, at=None, after=None, limit=200, with_bodies=True)

    assert [one.body.inline for one in page.records] == [body_of(f"n{number:03}/{number}") for number in range(150)]


def test_stats(log, history):
    statistics = log.statistics()

    assert log.counts() == {FLUNDERS: len(history[max(history)]), FISCHERS: 1}
    assert statistics[FISCHERS] == Statistics(objects=1, body_octets=len(body_of("a/")))
