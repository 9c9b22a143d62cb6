"""How long a caller wants to wait: the query parameter `timeout`, a duration as Go writes one (`1m30s`).

- It shortens the server's own deadline and never lengthens it; a duration that is not positive means nothing.
- Watches do not have it: theirs is `timeoutSeconds`.
"""

import re
from collections.abc import Mapping

from apiserver.errors import BadRequest
from apiserver.fields.values import quoted

_LONGEST = 64
_SECONDS: Mapping[str, float] = {
    "ns": 1e-9,
    "us": 1e-6,
    "\N{MICRO SIGN}s": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_PART = re.compile(rf"([0-9]+\.?[0-9]*|\.[0-9]+)({'|'.join(_SECONDS)})", re.ASCII)
_NUMBER = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+", re.ASCII)


def deadline(query: Mapping[str, str], longest: float) -> float:
    """In seconds; `longest` where nothing shorter is asked for. Raises BadRequest."""
    text = query.get("timeout", "")
    if not text:
        return longest
    seconds = _seconds(text)
    return min(seconds, longest) if seconds > 0 else longest


def _seconds(text: str) -> float:
    """As time.ParseDuration reads it."""
    body = text[1:] if text.startswith(("+", "-")) else text
    if body == "0":
        return 0.0
    if len(text) > _LONGEST:
        raise _invalid(f"invalid duration {quoted(text[:_LONGEST])}")
    parts = _PART.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        lacks_unit = _NUMBER.fullmatch(_PART.sub("", body, count=len(parts)))
        raise _invalid(f"{'missing unit in' if lacks_unit else 'invalid'} duration {quoted(text)}")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return -seconds if text.startswith("-") else seconds


def _invalid(why: str) -> BadRequest:
    return BadRequest(f"invalid timeout specified in the request URL - time: {why}")
