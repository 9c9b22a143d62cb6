"""Whoever lists at a revision and watches from it has what there is, whatever was written, selected and when it began."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.apiserver.watch.worlds import STORAGE, Reader, world

NAMES = st.sampled_from("pqr")
NAMESPACES = st.sampled_from("ab")
VALUES = st.sampled_from("12")
STEPS = st.lists(st.tuples(NAMES, NAMESPACES, VALUES, st.booleans()), min_size=1, max_size=14)
SELECTIONS = st.sampled_from(
    [
        {},
        {"namespace": "a"},
        {"labels": "x=1"},
        {"labels": "x!=1", "namespace": "b"},
        {"fields": "metadata.name=p"},
        {"fields": "spec.colour=2"},
        {"labels": "x=2", "fields": "metadata.name!=q"},
    ]
)


@settings(max_examples=25)
@given(STEPS, SELECTIONS, st.integers(0, 14), st.integers(0, 14))
def test_list_and_watch_give_the_present(steps, selection, listed_after, watched_after):
    asyncio.run(follow(steps, selection, listed_after, max(listed_after, watched_after)))


async def follow(steps, selection, listed_after, watched_after):
    with tempfile.TemporaryDirectory() as directory:
        async with world(Path(directory)) as here:
            present: set[tuple[str, str]] = set()
            revision, reader = 1, None
            for number, (name, namespace, value, deletes) in enumerate(steps):
                if number == listed_after:
                    revision = here.log.current_revision()
                if number == watched_after:
                    reader = Reader(here.watch(revision=revision, **selection))
                gone = deletes and (namespace, name) in present
                await here.write(name, namespace=namespace, deletes=gone, **({} if gone else {"x": value}))
                (present.discard if gone else present.add)((namespace, name))
            if listed_after >= len(steps):
                revision = here.log.current_revision()
            reader = reader or Reader(here.watch(revision=revision, **selection))
            chosen = reader.session._request.selection
            view = state(here, chosen, revision)
            wanted = state(here, chosen, here.log.current_revision())
            last = revision
            while view != wanted:
                event = await reader.next()
                assert event["revision"] > last
                last = event["revision"]
                apply(view, event)
            await here.write("end", namespace="a", x="1")
            await reader.close()


def state(here, selection, revision):
    page = here.log.page(STORAGE, namespace=None, at=revision, after=None, limit=100, with_bodies=True)
    return {
        f"{record.key.namespace}/{record.key.name}": record.body.inline.decode().split()[1]
        for record in page.records
        if selection.matches(record)
    }


def apply(view, event):
    """Nothing is added twice, and nothing changes or goes that was not there."""
    name = event["name"]
    assert (name in view) is (event["type"] != "ADDED")
    if event["type"] == "DELETED":
        del view[name]
    else:
        view[name] = f"{event['body']['spec']}}}"
