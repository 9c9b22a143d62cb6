"""Formats of texts and numbers (k8s.io/kube-openapi strfmt): those that kube-apiserver checks; any other says nothing.

- Checking takes time in proportion to the text: expressions that could be matched in several ways are RE2's.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date
from itertools import cycle

from apiserver.schema.patterns import Pattern

_NUMBERS: Mapping[str, frozenset[str]] = {
    "integer": frozenset({"int32", "int64"}),
    "number": frozenset({"float", "double"}),
}
_TIME = re.compile(r"(\d{2}):(\d{2}):(\d{2})([^\n]\d+)?(z|[+-]\d{2}:\d{2})", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LETTER = r"[0-9\pL\pS]"  # of a host name, whatever its script
_HOST_NAME = Pattern.compile(
    rf"^(?:{_LETTER}(?:-?{_LETTER}*)?|(?:{_LETTER}(?:(?:-|{_LETTER})*{_LETTER})?\.)+\pL{{2,63}})$"
)
_GO_DURATION = re.compile(r"[+-]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_AMOUNT = re.compile(r"(\d+\.?\d*|\.\d+)([a-zµμ]+)", re.ASCII)
_WORDS = re.compile(r"(-?)\s?(\d+)\s*([A-Za-zµ]+)", re.ASCII)
_UNITS = (  # in seconds
    (re.compile(r"ns|nano.*", re.IGNORECASE), 1e-9),
    (re.compile(r"us|µs|μs|micro.*", re.IGNORECASE), 1e-6),
    (re.compile(r"ms|milli.*", re.IGNORECASE), 1e-3),
    (re.compile(r"s|sec.*", re.IGNORECASE), 1.0),
    (re.compile(r"m|min.*", re.IGNORECASE), 60.0),
    (re.compile(r"h|hr|hour.*", re.IGNORECASE), 3600.0),
    (re.compile(r"d|day.*", re.IGNORECASE), 86400.0),
    (re.compile(r"w|wk|week.*", re.IGNORECASE), 604800.0),
)
_BASE64 = re.compile(r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})")
_MAC_SEPARATED = re.compile(
    r"[0-9A-F]{2}(?P<mark>[:-])[0-9A-F]{2}((?P=mark)[0-9A-F]{2})*|[0-9A-F]{4}(\.[0-9A-F]{4})*|[0-9A-F]*", re.IGNORECASE
)
_MAC_LENGTHS = frozenset({12, 16, 40})  # digits: EUI-48, EUI-64, InfiniBand
_ATOM = r"[^\s()<>\[\]:;@\\,.\"\x00-\x1f\x7f]+"
_ADDRESS = rf"({_ATOM}(\.{_ATOM})*|\"([^\"\\\r\n]|\\.)*\")@({_ATOM}(\.{_ATOM})*|\[[!-Z^-~]*\])"
_MAILBOX = Pattern.compile(
    rf"^\s*({_ADDRESS}|(\"([^\"\\]|\\.)*\"|[^()<>\[\]:;@\\,\"\x00-\x1f\x7f]*)\s*<{_ADDRESS}>)\s*$"
)
_PORT = re.compile(r"([^@\s]*@)?(\[[^\]\s]*\]|[^:\[\]\s<>\"]*)(:\d*)?", re.ASCII)
_LARGEST = (1 << 63) - 1
_LONGEST_DURATION = 200
_CARD = re.compile(
    r"4\d{12}(\d{3})?|5[1-5]\d{14}|6(011|5\d\d)\d{12}|3[47]\d{13}|3(0[0-5]|[68]\d)\d{11}|(2131|1800|35\d{3})\d{11}",
    re.ASCII,
)
_OCTET = r"\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def is_checked(name: str, kind: str) -> bool:
    """Whether a format means anything for a value of type `kind`."""
    return name in _NUMBERS[kind] if kind in _NUMBERS else kind in {"", "string"} and name.replace("-", "") in _CHECKS


def is_format(name: str, text: str) -> bool:
    """Whether `text` is of the format; True for a format that nobody checks."""
    check = _CHECKS.get(name.replace("-", ""))
    return check is None or check(text)


def duration_seconds(text: str) -> float | None:
    """Of a duration as Go writes it (`-1h30m`), or in words (`3 days 2 hours`); None where the text is neither."""
    if len(text) > _LONGEST_DURATION:
        return None
    if _GO_DURATION.fullmatch(text):
        sign = -1 if text.startswith("-") else 1
        return sign * sum(float(amount) * _unit_seconds(unit) for amount, unit in _AMOUNT.findall(text.lstrip("+-")))
    words = [(sign, int(amount), _unit_seconds(unit)) for sign, amount, unit in _WORDS.findall(text)]
    if not any(seconds for _, _, seconds in words) or any(amount > _LARGEST for _, amount, _ in words):
        return None
    return sum((-amount if sign else amount) * seconds for sign, amount, seconds in words)


def _unit_seconds(unit: str) -> float:
    """0 where there is no such unit."""
    return next((seconds for words, seconds in _UNITS if words.fullmatch(unit)), 0.0)


def _matches(expression: str, flags: int = 0) -> Callable[[str], bool]:
    compiled = re.compile(expression, re.ASCII | flags)
    return lambda text: compiled.fullmatch(text) is not None


def _is_date(text: str) -> bool:
    try:
        return _DATE.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return text.startswith("0000-") and _is_date(f"2000{text[4:]}")  # Go has a year 0, and it is a leap year


def _is_date_time(text: str) -> bool:
    day, _, rest = text.lower().partition("t")
    time = _TIME.fullmatch(rest)
    return _is_date(day) and time is not None and time[1] <= "23" and time[2] <= "59" and time[3] <= "59"


def _is_host_name(text: str) -> bool:
    octets = text.encode()
    return len(octets) <= 255 and all(len(label) <= 63 for label in octets.split(b".")) and _HOST_NAME.occurs_in(text)


def _is_ip(text: str) -> int | None:
    """The version of an address. Numbers with leading zeros are decimal, as in old versions of Go."""
    if "%" in text:
        return None
    for candidate in (text, re.sub(r"(?<![\d:A-Fa-f])0+(?=\d)", "", text)):
        try:
            return ipaddress.ip_address(candidate).version
        except ValueError:
            continue
    return None


def _is_cidr(text: str) -> bool:
    address, slash, bits = text.partition("/")
    version = _is_ip(address)
    if version is None or not slash or re.fullmatch(r"\d{1,3}", bits, re.ASCII) is None:
        return False
    return int(bits) <= (32 if version == 4 else 128)


def _is_uri(text: str) -> bool:
    """An absolute URI or an absolute path (net/url ParseRequestURI)."""
    if not text or _CONTROL.search(text):
        return False
    scheme = _SCHEME.match(text)
    rest = text[scheme.end() :] if scheme else text
    if re.search(r"%(?![0-9A-Fa-f]{2})", rest.partition("?")[0]):
        return False
    if scheme is None:
        return rest.startswith("/")
    authority = re.match(r"//([^/?]*)", rest)
    return authority is None or _PORT.fullmatch(authority[1]) is not None


def _is_mac(text: str) -> bool:
    return _MAC_SEPARATED.fullmatch(text) is not None and len(re.sub("[:.-]", "", text)) in _MAC_LENGTHS


def _is_isbn10(text: str) -> bool:
    digits = re.sub(r"[\s-]+", "", text)
    if not re.fullmatch(r"\d{9}[\dX]", digits, re.ASCII):
        return False
    return sum((index + 1) * (10 if digit == "X" else int(digit)) for index, digit in enumerate(digits)) % 11 == 0


def _is_isbn13(text: str) -> bool:
    digits = re.sub(r"[\s-]+", "", text)
    if not re.fullmatch(r"\d{13}", digits, re.ASCII):
        return False
    return sum(int(digit) * factor for digit, factor in zip(digits, cycle((1, 3)), strict=False)) % 10 == 0


def _is_credit_card(text: str) -> bool:
    digits = re.sub(r"[^0-9]+", "", text)
    if not _CARD.fullmatch(digits):
        return False
    doubled = (int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _uuid(third: str = "[0-9a-f]", fourth: str = "[0-9a-f]") -> Callable[[str], bool]:
    return _matches(
        rf"[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{third}[0-9a-f]{{3}}-?{fourth}[0-9a-f]{{3}}-?[0-9a-f]{{12}}", re.IGNORECASE
    )


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "bsonobjectid": _matches(r"[0-9a-f]{24}", re.IGNORECASE),
    "byte": lambda text: _BASE64.fullmatch(text) is not None,
    "cidr": _is_cidr,
    "creditcard": _is_credit_card,
    "date": _is_date,
    "datetime": _is_date_time,
    "duration": lambda text: duration_seconds(text) is not None,
    "email": _MAILBOX.occurs_in,
    "hexcolor": _matches(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "hostname": _is_host_name,
    "ipv4": lambda text: _is_ip(text) is not None and "." in text,
    "ipv6": lambda text: _is_ip(text) is not None and ":" in text,
    "isbn": lambda text: _is_isbn10(text) or _is_isbn13(text),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "k8slongname": _matches(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"),
    "k8sshortname": _matches(r"(?=.{1,63}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?"),
    "mac": _is_mac,
    "password": lambda _text: True,
    "rgbcolor": _matches(rf"rgb\({_OCTET},{_OCTET},{_OCTET}\)"),
    "ssn": _matches(r"(?=.{11}\Z)\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "uri": _is_uri,
    "uuid": _uuid(),
    "uuid3": _uuid("3"),
    "uuid4": _uuid("4", "[89ab]"),
    "uuid5": _uuid("5", "[89ab]"),
}
