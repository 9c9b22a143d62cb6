"""The subject of a certificate (RFC 5280 §4.1.2.6), limited to the attributes that people and policies read.

- An instance keeps the upper bounds of RFC 5280 appendix A.1 and holds printable characters only, so it always encodes.
- Order is fixed: country, province, locality, street, postal code, organization, unit, serial number, common name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from certs.errors import MalformedName

MAX_VALUES = 16
"""The most values of one attribute."""

_ATTRIBUTES: tuple[tuple[str, ObjectIdentifier, int], ...] = (
    ("countries", NameOID.COUNTRY_NAME, 2),
    ("provinces", NameOID.STATE_OR_PROVINCE_NAME, 128),
    ("localities", NameOID.LOCALITY_NAME, 128),
    ("street_addresses", NameOID.STREET_ADDRESS, 128),
    ("postal_codes", NameOID.POSTAL_CODE, 40),
    ("organizations", NameOID.ORGANIZATION_NAME, 64),
    ("organizational_units", NameOID.ORGANIZATIONAL_UNIT_NAME, 64),
    ("serial_number", NameOID.SERIAL_NUMBER, 64),
    ("common_name", NameOID.COMMON_NAME, 64),
)
_FIELDS: Mapping[ObjectIdentifier, str] = {oid: field for field, oid, _ in _ATTRIBUTES}
_UPPER_BOUNDS: Mapping[str, int] = {field: bound for field, _, bound in _ATTRIBUTES}
_PRINTABLE_STRING = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?")
_COUNTRY_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectName:
    """A distinguished name. Raises MalformedName for a value that RFC 5280 has no room for."""

    common_name: str | None = None
    organizations: tuple[str, ...] = ()
    organizational_units: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    localities: tuple[str, ...] = ()
    provinces: tuple[str, ...] = ()
    street_addresses: tuple[str, ...] = ()
    postal_codes: tuple[str, ...] = ()
    serial_number: str | None = None

    def __post_init__(self) -> None:
        for field, bound in _UPPER_BOUNDS.items():
            values = self._values(field)
            if len(values) > MAX_VALUES:
                raise MalformedName(f"has {len(values)} values, give at most {MAX_VALUES}", field=field)
            for value in values:
                _verify_value(field, value, bound)

    @classmethod
    def from_x509(cls, name: x509.Name) -> Self:
        """Read a parsed name. Raises MalformedName for an attribute without a field here, rather than drop it."""
        values: dict[str, list[str]] = {}
        for attribute in name:
            field = _FIELDS.get(attribute.oid)
            if field is None or not isinstance(attribute.value, str):
                raise MalformedName(
                    "this attribute is not supported, leave it out", field=f"subject {attribute.rfc4514_attribute_name}"
                )
            values.setdefault(field, []).append(attribute.value)
        common_name = _only("common_name", values.pop("common_name", []))
        serial_number = _only("serial_number", values.pop("serial_number", []))
        return cls(
            common_name=common_name,
            serial_number=serial_number,
            **{field: tuple(found) for field, found in values.items()},
        )

    def to_x509(self) -> x509.Name:
        """One attribute in each RDN; country and serial number as PrintableString, the others as UTF8String."""
        return x509.Name(
            [x509.NameAttribute(oid, value) for field, oid, _ in _ATTRIBUTES for value in self._values(field)]
        )

    @property
    def is_empty(self) -> bool:
        return self == _EMPTY

    @property
    def rfc4514(self) -> str:
        """``CN=web,O=example``: RFC 4514, which writes the last RDN first."""
        return self.to_x509().rfc4514_string()

    def _values(self, field: str) -> tuple[str, ...]:
        value: str | tuple[str, ...] | None = getattr(self, field)
        if value is None:
            return ()
        return (value,) if isinstance(value, str) else value


_EMPTY = SubjectName()


def _only(field: str, values: list[str]) -> str | None:
    if len(values) > 1:
        raise MalformedName(f"occurs {len(values)} times, give one", field=field, value=values[1])
    return values[0] if values else None


def _verify_value(field: str, value: str, bound: int) -> None:
    if field == "countries" and (len(value) != 2 or not _COUNTRY_LETTERS.issuperset(value)):
        raise MalformedName(
            "a country is its two-letter ISO 3166 code in capitals, such as CN for China", field=field, value=value
        )
    if not value or value.isspace():
        raise MalformedName("is empty, leave it out or give a value", field=field, value=value)
    if len(value) > bound:
        raise MalformedName(f"has {len(value)} characters, give at most {bound}", field=field, value=value)
    if not value.isprintable():
        raise MalformedName("has a control or invisible character, remove it", field=field, value=value)
    if field == "serial_number" and not _PRINTABLE_STRING.issuperset(value):
        raise MalformedName("takes letters, digits, space and '()+,-./:=? only", field=field, value=value)
