"""The subject of a certificate (RFC 5280 §4.1.2.6), limited to the attributes that people and policies read.

- An instance keeps the upper bounds of RFC 5280 appendix A.1 and holds printable characters only, so it always encodes.
- Order is fixed: country, province, locality, street, postal code, organization, unit, serial number, common name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509.oid import NameOID, ObjectIdentifier

from certs.errors import MalformedName
from certs.tlv import read_element, read_elements

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
_FIELDS: Mapping[bytes, str] = {asn1.encode_der(oid): field for field, oid, _ in _ATTRIBUTES}
_STRING_ENCODINGS: Mapping[int, str] = {
    0x0C: "utf-8",
    0x12: "ascii",
    0x13: "ascii",
    0x16: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}
_EMPTY_DER = b"0\0"
_PRINTABLE_STRING = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?")
_CAPITALS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


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
        for field, _, bound in _ATTRIBUTES:
            if getattr(self, field) in (None, ()):
                continue
            values = _values(self, field)
            if len(values) > MAX_VALUES:
                raise MalformedName(f"has {len(values)} values, give at most {MAX_VALUES}", field=field)
            for value in values:
                _verify_value(field, value, bound)

    @classmethod
    def from_x509(cls, name: x509.Name) -> Self:
        """Read a parsed name. Raises MalformedName for an attribute without a field here, rather than drop it."""
        return cls.from_der(name.public_bytes())

    @classmethod
    def from_der(cls, name: bytes) -> Self:
        """Read a DER Name (RFC 5280 §4.1.2.4), as `from_x509` does."""
        if name == _EMPTY_DER:
            return cls()
        values: dict[str, list[str]] = {}
        try:
            for oid, value in _read_attributes(name):
                values.setdefault(_field_of(oid), []).append(value)
        except ValueError as err:
            raise MalformedName(
                "is not DER, or a value is in a wrong encoding, write it as UTF-8", field="subject"
            ) from err
        common_name = _only("common_name", values)
        serial_number = _only("serial_number", values)
        several = {field: tuple(found) for field, found in values.items()}
        return cls(common_name=common_name, serial_number=serial_number, **several)

    def to_x509(self) -> x509.Name:
        """One attribute in each RDN; country and serial number as PrintableString, the others as UTF8String."""
        return x509.Name(
            [x509.NameAttribute(oid, value) for field, oid, _ in _ATTRIBUTES for value in _values(self, field)]
        )

    @property
    def is_empty(self) -> bool:
        return not any(_values(self, field) for field, _, _ in _ATTRIBUTES)

    @property
    def rfc4514(self) -> str:
        """``CN=web,O=example``: RFC 4514, which writes the last RDN first."""
        return self.to_x509().rfc4514_string()


def _values(subject: SubjectName, field: str) -> tuple[str, ...]:
    value: str | tuple[str, ...] | None = getattr(subject, field)
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


def _verify_value(field: str, value: str, bound: int) -> None:
    if field == "countries" and (len(value) != 2 or not _CAPITALS.issuperset(value)):
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


def _read_attributes(name: bytes) -> Iterator[tuple[bytes, str]]:
    """Pairs of DER object identifier and text, in order; a multi-valued RDN is read as several single ones."""
    _, names_begin, names_end = _read(name, 0, tag=0x30)
    if names_end != len(name):
        raise ValueError("octets follow the name")
    for set_tag, set_begin, set_end in read_elements(name, names_begin, names_end):
        for tag, begin, end in read_elements(name, set_begin, set_end):
            _, _, oid_end = _read(name, begin, tag=0x06)
            value_tag, value_begin, value_end = read_element(name, oid_end)
            if (set_tag, tag) != (0x31, 0x30) or value_end != end or value_tag not in _STRING_ENCODINGS:
                raise ValueError("not an AttributeTypeAndValue with a string that is in use")
            yield name[begin:oid_end], name[value_begin:value_end].decode(_STRING_ENCODINGS[value_tag])


def _read(der: bytes, start: int, *, tag: int) -> tuple[int, int, int]:
    element = read_element(der, start)
    if element[0] != tag:
        raise ValueError("unexpected tag")
    return element


def _field_of(oid: bytes) -> str:
    field = _FIELDS.get(oid)
    if field is None:
        dotted = asn1.decode_der(ObjectIdentifier, oid).dotted_string
        raise MalformedName("this attribute is not supported, leave it out", field=f"subject attribute {dotted}")
    return field


def _only(field: str, values: dict[str, list[str]]) -> str | None:
    found = values.pop(field, [])
    if len(found) > 1:
        raise MalformedName(f"occurs {len(found)} times, give one", field=field, value=found[1])
    return found[0] if found else None
