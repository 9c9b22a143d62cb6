"""Deletecollection: every object that a list would show, one by one.

- The answer is the list as it was before; it is read back from that revision, so nothing is gathered in memory.
- Several deletions are under way at once, so that they share commits.
"""

import asyncio
from dataclasses import replace

from apiserver.errors import NotFound
from apiserver.operations.deletion import DeleteOptions
from apiserver.operations.lists import Listing, Lists
from apiserver.operations.objects import Objects
from apiserver.operations.targets import Target
from apiserver.storage.records import Record

_AT_ONCE = 32


class Collections:
    """Used on the event loop."""

    def __init__(self, *, objects: Objects, lists: Lists) -> None:
        self._objects = objects
        self._lists = lists

    async def delete(self, listing: Listing, options: DeleteOptions, *, limit: int) -> Listing:
        """Deletes what `listing` shows, at most `limit` objects (0: all), and returns that list fixed at its revision.

        Raises Conflict where an object does not meet the preconditions; those before it are gone then. One that is gone meanwhile
        counts as deleted.
        """
        revision = listing.at
        left = limit or None
        async for page in self._lists.pages(listing, with_bodies=False):
            revision = page.revision
            records = page.records if left is None else page.records[:left]
            for start in range(0, len(records), _AT_ONCE):
                await asyncio.gather(
                    *(self._delete(listing.target, record, options) for record in records[start : start + _AT_ONCE])
                )
            if left is not None:
                left -= len(records)
                if left == 0:
                    break
        return replace(listing, at=revision)

    async def _delete(self, target: Target, record: Record, options: DeleteOptions) -> None:
        one = Target(kind=target.kind, namespace=record.key.namespace, name=record.key.name)
        try:
            await self._objects.delete(one, options)
        except NotFound:
            return
