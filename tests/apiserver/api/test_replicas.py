"""Two servers on one PostgreSQL database: either serves reads, writes and watches of both."""

import pytest

from tests.apiserver.client import WARDLE, flunder
from tests.apiserver.server import running_api_server
from tests.servers.postgresql import postgresql_server, postgresql_url  # noqa: F401 - fixtures

FLUNDERS = f"{WARDLE}/namespaces/shared/flunders"

pytestmark = pytest.mark.postgresql


def test_what_one_writes_the_other_lists_and_watches(tmp_path, postgresql_url):  # noqa: F811 - the fixture
    with (
        running_api_server(tmp_path / "one", database=postgresql_url) as one,
        running_api_server(tmp_path / "two", database=postgresql_url) as two,
    ):
        writer, reader = one.client(), two.client()
        start = reader.get(FLUNDERS).document["metadata"]["resourceVersion"]
        with reader.watch(FLUNDERS, resourceVersion=start) as watch:
            created = writer.create(FLUNDERS, flunder("a")).document
            changed = writer.patch(f"{FLUNDERS}/a", {"spec": {"reference": "z"}}).document
            writer.delete(f"{FLUNDERS}/a")
            events = [watch.next() for _ in range(3)]

        assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
        assert events[0]["object"] == created
        assert events[1]["object"] == changed
        assert reader.get(FLUNDERS).document["items"] == []


def test_list_of_one_is_paged_by_the_other(tmp_path, postgresql_url):  # noqa: F811 - the fixture
    with (
        running_api_server(tmp_path / "one", database=postgresql_url) as one,
        running_api_server(tmp_path / "two", database=postgresql_url) as two,
    ):
        first, second = one.client(), two.client()
        for name in "abc":
            first.create(FLUNDERS, flunder(name))
        page = first.get(FLUNDERS, limit=2).document
        first.delete(f"{FLUNDERS}/c")
        rest = second.get(FLUNDERS, **{"continue": page["metadata"]["continue"]}).document

    assert [item["metadata"]["name"] for item in [*page["items"], *rest["items"]]] == ["a", "b", "c"]
