"""Selectors: which objects a list or a watch is about (k8s.io/apimachinery/pkg/labels and pkg/fields).

- The grammar and the words of refusals are those of Kubernetes.
- Matching looks only at what it needs: labels in the metadata, selectable fields in the projection.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from apiserver.errors import BadRequest
from apiserver.fields.values import quoted
from apiserver.identity.user import SelectorRequirement
from apiserver.requests.names import label_key_faults, label_value_faults
from apiserver.storage.records import Record

_LONGEST = 64 << 10
_TOKEN = re.compile(r"\s*(?:(?P<symbol>==|!=|=|!|\(|\)|,|>|<)|(?P<word>[^\s=!(),<>]+))")
_METADATA_FIELDS = ("metadata.name", "metadata.namespace")
_INTEGER = re.compile(r"([+-]?)0*([0-9]{1,19})")
_LARGEST = (1 << 63) - 1


class _Labels(msgspec.Struct):
    labels: dict[str, str] = {}


_LABELS = msgspec.json.Decoder(_Labels)
_FIELDS = msgspec.json.Decoder(dict[str, object])


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSelector:
    """All requirements must hold. Gt and Lt compare whole numbers."""

    requirements: tuple[SelectorRequirement, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "LabelSelector":
        """Raises BadRequest."""
        if len(text) > _LONGEST:
            raise BadRequest("the label selector is too long")
        return cls(requirements=tuple(_Parser(text).parse()))

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(_holds(one, labels) for one in self.requirements)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSelector:
    """All requirements must hold; operators are In and NotIn, with one value each."""

    requirements: tuple[SelectorRequirement, ...] = ()

    @classmethod
    def parse(cls, text: str, selectable: tuple[str, ...] = ()) -> "FieldSelector":
        """`selectable` are JSONPaths (`.spec.color`) that may be named beside name and namespace. Raises BadRequest."""
        selector = cls.read(text)
        known = (*_METADATA_FIELDS, *(path.removeprefix(".") for path in selectable))
        for one in selector.requirements:
            if one.key not in known:
                names = ", ".join(f'"{name}"' for name in known)
                raise BadRequest(f'"{one.key}" is not a known field selector: only {names}')
        return selector

    @classmethod
    def read(cls, text: str) -> "FieldSelector":
        """Of any fields, for those who cannot know which may be named. Raises BadRequest."""
        if len(text) > _LONGEST:
            raise BadRequest("the field selector is too long")
        return cls(requirements=tuple(_field_requirement(term, text) for term in _terms(text)))

    def exact(self, key: str) -> str | None:
        """The one value that a field must have."""
        return next((one.values[0] for one in self.requirements if one.key == key and one.operator == "In"), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is wanted: `namespace` None for all, `name` "" for any."""

    namespace: str | None = None
    name: str = ""
    labels: LabelSelector = field(default_factory=LabelSelector)
    fields: FieldSelector = field(default_factory=FieldSelector)

    @classmethod
    def parse(cls, *, labels: str, fields: str, namespace: str | None, selectable: tuple[str, ...] = ()) -> "Selection":
        """Raises BadRequest."""
        by_field = FieldSelector.parse(fields, selectable)
        return cls(
            namespace=namespace if namespace is not None else by_field.exact("metadata.namespace"),
            name=by_field.exact("metadata.name") or "",
            labels=LabelSelector.parse(labels),
            fields=by_field,
        )

    @property
    def is_everything(self) -> bool:
        """Whether every object of the namespace is wanted."""
        return not self.labels.requirements and not self.fields.requirements

    def matches(self, record: Record) -> bool:
        if self.namespace is not None and record.key.namespace != self.namespace:
            return False
        if self.fields.requirements and not self._fields_match(record):
            return False
        if not self.labels.requirements:
            return True
        return self.labels.matches(_LABELS.decode(record.metadata).labels)

    def _fields_match(self, record: Record) -> bool:
        values: Mapping[str, object] | None = None
        for one in self.fields.requirements:
            if one.key == "metadata.name":
                value = record.key.name
            elif one.key == "metadata.namespace":
                value = record.key.namespace
            else:
                values = _FIELDS.decode(record.projection) if values is None else values
                value = _text(values.get(f".{one.key}"))
            if (value == one.values[0]) is not (one.operator == "In"):
                return False
        return True


def _text(value: object) -> str:
    """A selectable field as a text; one that is not there is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _holds(one: SelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(one.key)
    match one.operator:
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "In":
            return value in one.values
        case "NotIn":
            return value not in one.values
    number, bound = _integer(value or ""), _integer(one.values[0])
    if number is None or bound is None:
        return False
    return number > bound if one.operator == "Gt" else number < bound


def _integer(text: str) -> int | None:
    """As strconv.ParseInt reads 64 bits; None for what is no such number."""
    found = _INTEGER.fullmatch(text)
    number = 0 if found is None else int("".join(found.groups()))
    return None if found is None or not -_LARGEST - 1 <= number <= _LARGEST else number


class _Parser:
    """One pass over the tokens of a label selector."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position = 0
        text = text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise _unparsable(text[position], "identifier")
            self._tokens.append(("symbol", match["symbol"]) if match["symbol"] else ("word", match["word"]))
            position = match.end()
        self._next = 0

    def parse(self) -> list[SelectorRequirement]:
        found: list[SelectorRequirement] = []
        if not self._tokens:
            return found
        if self._peek()[0] != "word" and self._peek()[1] != "!":
            raise _unexpected(self._peek()[1], "!, identifier, or 'end of string'")
        while True:
            found.append(self._requirement())
            kind, text = self._take()
            if kind == "end":
                return found
            if text != ",":
                raise _unexpected(text, "',' or 'end of string'")
            kind, text = self._peek()
            if kind != "word" and text != "!":
                raise _unexpected(text, "identifier after ','")

    def _requirement(self) -> SelectorRequirement:
        negated = self._peek() == ("symbol", "!")
        if negated:
            self._take()
        key = self._word("!, identifier, or 'end of string'" if not negated else "identifier")
        for fault in label_key_faults(key):
            raise BadRequest(f"unable to parse requirement: <nil>: Invalid value: {quoted(key)}: {fault}")
        if negated:
            return SelectorRequirement(key=key, operator="DoesNotExist")
        kind, text = self._peek()
        if kind == "end" or text == ",":
            return SelectorRequirement(key=key, operator="Exists")
        self._take()
        return self._compared(key, kind, text)

    def _compared(self, key: str, kind: str, text: str) -> SelectorRequirement:
        if kind == "symbol" and text in {"=", "==", "!="}:
            return _requirement(key, "NotIn" if text == "!=" else "In", (self._value(),))
        if kind == "symbol" and text in {">", "<"}:
            value = self._value()
            if _integer(value) is None:
                raise BadRequest(
                    f"unable to parse requirement: values[0]: Invalid value: {quoted(value)}: for 'Gt', 'Lt' operators, "
                    "the value must be an integer"
                )
            return _requirement(key, "Gt" if text == ">" else "Lt", (value,))
        if kind == "word" and text in {"in", "notin"}:
            return _requirement(key, "In" if text == "in" else "NotIn", self._values())
        raise _unparsable(text, "in, notin, =, ==, !=, gt, lt")

    def _values(self) -> tuple[str, ...]:
        kind, text = self._take()
        if text != "(" or kind != "symbol":
            raise BadRequest(f"unable to parse requirement: found '{text}' expected: '('")
        values: list[str] = []
        while True:
            kind, text = self._peek()
            if kind == "word":
                self._take()
                values.append(text)
            elif text in {",", ")"} and kind == "symbol":
                values.append("")
            else:
                raise _unparsable(text, "',', ')' or identifier")
            kind, text = self._take()
            if kind == "symbol" and text == ")":
                return tuple(sorted(set(values)))
            if kind != "symbol" or text != ",":
                raise _unparsable(text, "',' or ')'")

    def _value(self) -> str:
        kind, text = self._peek()
        if kind == "word":
            self._take()
            return text
        if kind == "end" or text == ",":
            return ""
        raise _unparsable(text, "identifier")

    def _word(self, wanted: str) -> str:
        kind, text = self._take()
        if kind != "word":
            raise _unparsable(text, wanted)
        return text

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._next += 1
        return token


def _requirement(key: str, operator: str, values: tuple[str, ...]) -> SelectorRequirement:
    for index, value in enumerate(values):
        for fault in label_value_faults(value):
            raise BadRequest(
                f"unable to parse requirement: values[{index}][{key}]: Invalid value: {quoted(value)}: {fault}"
            )
    return SelectorRequirement(key=key, operator=operator, values=values)


def _unparsable(found: str, wanted: str) -> BadRequest:
    """Within a requirement."""
    return BadRequest(f"unable to parse requirement: found '{found}', expected: {wanted}")


def _unexpected(found: str, wanted: str) -> BadRequest:
    """Between requirements."""
    return BadRequest(f"found '{found}', expected: {wanted}")


def _field_requirement(term: str, selector: str) -> SelectorRequirement:
    found = re.search("!=|==|=", term)
    if found is None:
        raise BadRequest(f"invalid selector: '{selector}'; can't understand '{term}'")
    operator = "NotIn" if found[0] == "!=" else "In"
    return SelectorRequirement(key=term[: found.start()], operator=operator, values=(_unescape(term[found.end() :]),))


def _terms(text: str) -> list[str]:
    """What stands between commas; one behind a backslash is part of a value, and so is a backslash behind one."""
    return re.findall(r"(?:[^\\,]|\\.|\\\Z)+", text, re.DOTALL)


def _unescape(value: str) -> str:
    """Raises BadRequest (fields.UnescapeValue)."""
    for sequence in re.findall(r"\\[\\,=]|\\.?|[,=]", value, re.DOTALL):
        if sequence in {",", "="}:
            raise BadRequest(f"invalid field selector: unescaped character in value: {ord(sequence)}")
        if len(sequence) < 2 or sequence[1] not in "\\,=":
            raise BadRequest(f"invalid field selector: invalid escape sequence: {sequence}")
    return re.sub(r"\\([\\,=])", r"\1", value)
