"""Lists over HTTP: one document where it is small or a page of it was asked for, a stream where all of it is.

- Without a limit any number of objects goes out in bounded memory: page by page, as fast as the caller reads.
- A stream whose revision is compacted half-way is broken off, so that nobody takes a part for the whole.
"""

from collections.abc import AsyncIterator
from concurrent.futures import Executor
from itertools import islice

import structlog
from aiohttp import web

from apiserver.errors import Expired
from apiserver.operations.lists import ListedPage, Listing, Lists
from apiserver.web.answers import answer, headers_of
from apiserver.web.calls import Call
from apiserver.web.rendering import Rendering

_BUDGET = 16 << 20
"""Octets of bodies in memory for one page."""

_WHOLE = 4 << 20
"""Octets of a document that is answered whole, and may be indented, converted or compressed."""

_log = structlog.get_logger("chancery.apiserver.lists")


async def answer_list(
    call: Call, listing: Listing, rendering: Rendering, *, lists: Lists, limit: int, workers: Executor
) -> web.StreamResponse:
    """Raises Expired, also for pages that were asked for singly."""
    if limit:
        page = await lists.page(listing, limit, with_bodies=rendering.needs_bodies, budget=_BUDGET)
        octets = await rendering.list_document(page)
        return await answer(call, octets, workers=workers, content_type=rendering.content_type)
    pages = lists.pages(listing, with_bodies=rendering.needs_bodies)
    first = await anext(pages)
    chunks = _chunks(first, pages, rendering)
    begun: list[bytes] = []
    async for chunk in chunks:
        begun.append(chunk)
        if sum(map(len, begun)) > _WHOLE:
            return await _stream(call, begun, chunks, rendering)
    document = await rendering.finished(b"".join(begun))
    return await answer(call, document, workers=workers, content_type=rendering.content_type)


async def _chunks(first: ListedPage, pages: AsyncIterator[ListedPage], rendering: Rendering) -> AsyncIterator[bytes]:
    frame = rendering.frame(first)
    yield frame.prefix
    page: ListedPage | None = first
    empty = True
    while page is not None:
        remaining = iter(page.records)
        while batch := list(islice(remaining, rendering.batch)):
            items = await rendering.items(batch)
            yield (b"" if empty else frame.separator) + frame.separator.join(items)
            empty = False
        page = await anext(pages, None)
    yield frame.suffix


async def _stream(
    call: Call, begun: list[bytes], chunks: AsyncIterator[bytes], rendering: Rendering
) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers_of(call, content_type=rendering.streamed_content_type))
    await response.prepare(call.request)
    call.has_begun = True
    try:
        for chunk in begun:
            await response.write(chunk)
        async for chunk in chunks:
            await response.write(chunk)
    except Expired as err:
        _log.warning("list broken off: its revision was compacted", audit_id=call.audit_id, error=err.message)
        if call.request.transport is not None:
            call.request.transport.abort()
        return response
    await response.write_eof()
    return response
