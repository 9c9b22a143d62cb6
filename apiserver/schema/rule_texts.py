"""What the text of a rule tells: whether it is about a change, and what evaluating it may cost."""

import re
from functools import lru_cache

_LITERAL = re.compile(r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*\'""")
_OLD_SELF = re.compile(r"(?<![\w.])oldSelf\b")
_VALUE = re.compile(r"(?<![\w.])(?:self|oldSelf)\b")
_MACRO = r"\.\s*(?:all|exists|exists_one|existsOne|map|filter|transformList|transformMap|transformMapEntry)\s*\("
_LOOP = re.compile(_MACRO)
_LOOP_OVER_VALUE = re.compile(rf"(?<![\w.])(?:self|oldSelf)\b(?:\s*\.\s*\??\s*\w+|\s*\[[^\]]*\])*\s*{_MACRO}")

_ITEM = re.compile(r"(?<![\w.])(?:self|oldSelf)\b(?:\s*\.\s*\w+)*\s*\[\s*[A-Za-z_]\w*\s*\]")


@lru_cache(maxsize=4096)
def uses_old_self(text: str) -> bool:
    """Whether the rule names oldSelf: it is about a change then."""
    return _OLD_SELF.search(_without_literals(text)) is not None


@lru_cache(maxsize=4096)
def may_be_quadratic(text: str) -> bool:
    """Whether the steps of a loop may look at more than an item each, so that all items are looked at for each of them.

    So it is in `self.all(x, x in self)`, and not in `self.all(k, self[k] > 0)`; of two loops nobody looks whether one is within the
    other.
    """
    plain = _without_literals(text)
    loops = len(_LOOP.findall(plain))
    parts = len(_LOOP_OVER_VALUE.findall(plain)) + len(_ITEM.findall(plain))
    return loops > 1 or (loops == 1 and len(_VALUE.findall(plain)) > parts)


def _without_literals(text: str) -> str:
    return _LITERAL.sub("''", text)
