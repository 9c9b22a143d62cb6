"""Who asks, and under which identifier logs and audit events show it: what every edge hands to the authority."""

import re
from dataclasses import dataclass

from ca.callers import Caller
from ca.errors import RequestInvalid

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as it came in. `id` is ours, for logs; a client's `request_id` (which makes a retry safe) is another thing.
    `source` is the address that it came from, empty where there is none: it proves nothing, and shares nothing out but time."""

    caller: Caller
    id: str
    source: str = ""


def parse_request_id(text: str) -> str | None:
    """Reads a client's request_id; None where it gave none. Raises RequestInvalid."""
    if not text:
        return None
    if not _REQUEST_ID.fullmatch(text):
        raise RequestInvalid("request_id must be 1 to 64 characters of [A-Za-z0-9._-]", field="request_id")
    return text
