"""JSON values as Go prints them in messages (fmt's %v)."""

from apiserver.documents import JsonValue, OpaqueJson

_LONGEST = 1024  # characters of a value that are repeated to the caller


def go_text(value: JsonValue) -> str:
    """`map[a:1 b:[x y]]`, cut where it is long."""
    text = _text(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _text(value: JsonValue) -> str:
    if isinstance(value, dict):
        return "map[" + " ".join(f"{name}:{_text(value[name])}" for name in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_text, value)) + "]"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return str(value).lower()
    return "…" if isinstance(value, OpaqueJson) else str(value)
