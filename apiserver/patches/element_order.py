"""The order of a merged list: what the patch says, then what it holds, then what was there.

- Elements are told apart by value, objects by their merge key's; the empty merge key says that elements are scalars.
"""

from collections.abc import Sequence
from typing import TypeAlias

import orjson

from apiserver.documents import JsonValue
from apiserver.errors import BadRequest, UnexpectedValue
from apiserver.patches.go_values import go_text

Mark: TypeAlias = bytes


def mark_of(element: JsonValue, merge_key: str) -> Mark:
    """What tells an element from others. Raises UnexpectedValue."""
    if merge_key:
        if not isinstance(element, dict):
            raise UnexpectedValue(f"expected a map[string]interface {{}}, but received a {go_text(element)}")
        if merge_key not in element:
            raise UnexpectedValue(f"map: {go_text(element)} does not contain declared merge key: {merge_key}")
        element = element[merge_key]
    return orjson.dumps(element, option=orjson.OPT_SORT_KEYS)


def in_order(
    merged: Sequence[JsonValue], wanted: Sequence[JsonValue], before: Sequence[JsonValue], merge_key: str
) -> list[JsonValue]:
    """`merged` with the elements of `wanted` in its order, and the others in that of `before`, each where it was among them."""
    wanted_places = _places(wanted, merge_key)
    old_places = _places(before, merge_key)
    marked = [(mark_of(element, merge_key), element) for element in merged]
    first = sorted((pair for pair in marked if pair[0] in wanted_places), key=lambda pair: wanted_places[pair[0]])
    rest = sorted(
        (pair for pair in marked if pair[0] not in wanted_places),
        key=lambda pair: old_places.get(pair[0], len(old_places)),
    )
    result: list[JsonValue] = []
    index = 0
    for mark, element in first:
        place = old_places.get(mark)
        while place is not None and index < len(rest) and old_places.get(rest[index][0], place) < place:
            result.append(rest[index][1])
            index += 1
        result.append(element)
    return result + [element for _, element in rest[index:]]


def verify_order(patch: Sequence[JsonValue], wanted: Sequence[JsonValue], merge_key: str) -> None:
    """`patch` may hold what `wanted` has, in its order. Raises BadRequest, UnexpectedValue."""
    if not patch or not wanted:
        return
    order = iter([mark_of(element, merge_key) for element in wanted])
    for element in patch:
        if isinstance(element, dict) and "$patch" in element:
            continue
        mark = mark_of(element, merge_key)
        if not any(other == mark for other in order):
            held, asked = go_text(list(patch)), go_text(list(wanted))
            raise BadRequest(f"The order in patch list:\n{held}\n doesn't match $setElementOrder list:\n{asked}\n")


def _places(elements: Sequence[JsonValue], merge_key: str) -> dict[Mark, int]:
    places: dict[Mark, int] = {}
    for index, element in enumerate(elements):
        if not (isinstance(element, dict) and "$patch" in element):
            places.setdefault(mark_of(element, merge_key), index)
    return places
