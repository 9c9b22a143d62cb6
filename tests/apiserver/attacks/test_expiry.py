"""Tokens and revisions that have grown old: said to be, with a way to go on."""

from datetime import timedelta

import pytest

from tests.apiserver.client import WARDLE, eventually, flunder
from tests.apiserver.server import running_api_server

FLUNDERS = f"{WARDLE}/namespaces/expiry/flunders"


@pytest.mark.slow
def test_what_is_older_than_the_history_is_expired_and_a_list_can_go_on(tmp_path):
    with running_api_server(tmp_path / "data", history_retention="75s") as server:
        api = server.client()
        for name in ("a", "b", "c"):
            api.create(FLUNDERS, flunder(name))
        page = api.get(FLUNDERS, limit=1).document["metadata"]
        api.delete(f"{FLUNDERS}/b")

        def is_expired() -> bool:
            server.clock.advance(timedelta(minutes=10))
            return api.get(FLUNDERS, **{"continue": page["continue"]}).status == 410

        eventually(is_expired, 60)

        expired = api.get(FLUNDERS, **{"continue": page["continue"]})
        assert (expired.status, expired.reason) == (410, "Expired")
        again = api.get(FLUNDERS, **{"continue": expired.document["metadata"]["continue"]})
        assert [item["metadata"]["name"] for item in again.document["items"]] == ["c"]
        exact = api.get(FLUNDERS, resourceVersion=page["resourceVersion"], resourceVersionMatch="Exact")
        assert (exact.status, exact.reason) == (410, "Expired")
        with api.watch(FLUNDERS, resourceVersion=page["resourceVersion"]) as watch:
            (event,) = watch.rest()
        assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
        assert api.get(FLUNDERS, resourceVersion=page["resourceVersion"]).status == 200
