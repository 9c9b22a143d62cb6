"""Every query of a request goes straight to its rows along an index: SQLite says so, and it knows nothing of sizes."""

import pytest

from apiserver.storage import statements
from apiserver.storage.statements import Span

SPANS = [
    Span(storage="s"),
    Span(storage="s", after=("x", "a")),
    Span(storage="s", namespace="x"),
    Span(storage="s", namespace="x", after=("x", "a")),
    Span(storage="s", namespace="x", name="a"),
    Span(storage="s", name="a"),
]


def plan(log, query):
    def explain(connection):
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query[0]}", tuple(query[1])).all()
        return " / ".join(row[-1] for row in rows)

    return log.database.read(explain)


@pytest.mark.parametrize("span", SPANS, ids=str)
@pytest.mark.parametrize(("at", "index"), [(None, "object_versions_present"), (7, "object_versions_key")])
def test_page_comes_out_of_its_index_in_order(sqlite_log, span, at, index):
    found = plan(sqlite_log, statements.page(span, at=at, limit=5))

    assert found.startswith(f"SEARCH v USING INDEX {index} (storage=?")
    assert "TEMP" not in found
    assert ("namespace=?" in found) == (span.namespace is not None)
    assert (">" in found) == (span.after is not None)


@pytest.mark.parametrize("span", SPANS, ids=str)
def test_counting_reads_indexes_and_what_has_changed(sqlite_log, span):
    assert "COVERING INDEX object_versions_present" in plan(sqlite_log, statements.count_present(span))
    assert "revision>?" in plan(sqlite_log, statements.count_come_since(span, 7))
    assert "object_versions_superseded (superseded_at>?)" in plan(sqlite_log, statements.count_gone_since(span, 7))


def test_statistics_read_an_index_alone(sqlite_log):
    found = plan(sqlite_log, (statements.STATISTICS, ()))

    assert found == "SCAN v USING COVERING INDEX object_versions_present"


@pytest.mark.parametrize("storage", [None, "s"])
def test_changes_begin_where_the_last_ended(sqlite_log, storage):
    found = plan(sqlite_log, statements.changes(after=7, storage=storage, limit=5))

    first, second = found.split(" / ")
    assert ("storage=? AND revision>?" if storage else "rowid>?") in first
    assert second == "SEARCH p USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN"


def test_present_version_is_found_by_its_whole_key(sqlite_log):
    found = plan(sqlite_log, (statements.PRESENT, ("s", "x", "a")))

    assert "object_versions_present (storage=? AND namespace=? AND name=?" in found
