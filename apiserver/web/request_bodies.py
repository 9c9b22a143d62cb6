"""Reading a request body: bounded before it is read, and while it is."""

from apiserver.errors import RequestEntityTooLarge, UnsupportedMediaType
from apiserver.web.calls import Call


async def read_body(call: Call, limit: int) -> bytes:
    """The octets of the body, taken from the budget of bodies.

    Raises RequestEntityTooLarge beyond `limit`, TooManyRequests beyond the budget, UnsupportedMediaType where they are packed.
    """
    request = call.request
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType(["application/json", "application/yaml"])
    declared = request.content_length
    if declared is not None and declared > limit:
        raise RequestEntityTooLarge(limit)
    if not request.can_read_body:
        return b""
    if declared is not None:
        call.take_octets(declared)
    chunks, octets = [], 0
    async for chunk in request.content.iter_any():
        octets += len(chunk)
        if octets > limit:
            raise RequestEntityTooLarge(limit)
        if declared is None:
            call.take_octets(len(chunk))
        chunks.append(chunk)
    body = b"".join(chunks)
    if call.audit is not None and call.audit.wants_request and call.audit.record is not None:
        call.audit.record.request_object = body
    return body
