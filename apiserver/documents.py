"""JSON documents as values: what an API object is between its edges.

- A document is plain JSON, as `orjson` reads it: dict, list, str, int, float, bool, None. Whoever is handed one may keep it and
  must not change it, unless the function says that it does.
- A field that its kind calls opaque (preserved as it is and atomic) is an `OpaqueJson`: never decoded, compared by its octets.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class OpaqueJson:
    """Valid JSON in UTF-8 that nobody looks into."""

    octets: bytes


JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | OpaqueJson | None"
JsonObject: TypeAlias = dict[str, "JsonValue"]
