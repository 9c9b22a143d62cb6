"""Reading a request body: bounded before it is read, and while it is."""

from aiohttp import web

from apiserver.errors import RequestEntityTooLarge, UnsupportedMediaType


async def read_body(request: web.Request, limit: int) -> bytes:
    """The octets of the body. Raises RequestEntityTooLarge beyond `limit`, UnsupportedMediaType where they are packed."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType(["application/json", "application/yaml"])
    declared = request.content_length
    if declared is not None and declared > limit:
        raise RequestEntityTooLarge(limit)
    if not request.can_read_body:
        return b""
    chunks, octets = [], 0
    async for chunk in request.content.iter_any():
        octets += len(chunk)
        if octets > limit:
            raise RequestEntityTooLarge(limit)
        chunks.append(chunk)
    return b"".join(chunks)
