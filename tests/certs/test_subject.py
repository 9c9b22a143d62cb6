import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from certs.errors import MalformedName
from certs.names import SubjectName

PRINTABLE = st.characters(exclude_categories=["C", "Zl", "Zp"]).filter(str.isprintable)


def _texts(bound: int) -> st.SearchStrategy[str]:
    return st.text(PRINTABLE, min_size=1, max_size=bound).filter(lambda text: not text.isspace())


def _several(bound: int) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(_texts(bound), max_size=3).map(tuple)


SUBJECTS = st.builds(
    SubjectName,
    common_name=st.none() | _texts(16),
    organizations=_several(16),
    organizational_units=_several(64),
    countries=st.lists(st.from_regex(r"\A[A-Z]{2}\Z"), max_size=2).map(tuple),
    localities=_several(128),
    provinces=_several(128),
    street_addresses=_several(128),
    postal_codes=_several(40),
    serial_number=st.none() | st.from_regex(r"\A[A-Za-z0-9 '()+,./:=?-]{0,30}[A-Z]\Z"),
)


@given(SUBJECTS)
def test_a_subject_reads_back_from_its_encoding(subject: SubjectName):
    assert SubjectName.from_x509(subject.to_x509()) == subject
    assert SubjectName.from_der(subject.to_x509().public_bytes()) == subject


@given(SUBJECTS)
def test_only_a_subject_without_values_is_empty(subject: SubjectName):
    assert subject.is_empty == (subject == SubjectName()) == (len(subject.to_x509().rdns) == 0)


@given(st.binary(max_size=200))
def test_any_octets_are_a_name_or_malformed(name: bytes):
    try:
        subject = SubjectName.from_der(name)
    except MalformedName:
        return
    assert SubjectName.from_x509(subject.to_x509()) == subject


@given(SUBJECTS, st.data())
def test_a_damaged_name_is_read_or_malformed(subject: SubjectName, data: st.DataObject):
    der = bytearray(subject.to_x509().public_bytes())
    der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = SubjectName.from_der(bytes(der))
    except MalformedName:
        return
    assert SubjectName.from_x509(read.to_x509()) == read


def test_attributes_are_written_from_country_to_common_name():
    subject = SubjectName(
        common_name="web",
        organizations=("Example", "Example Two"),
        organizational_units=("Web",),
        countries=("DE",),
        localities=("Köln",),
        provinces=("NRW",),
        street_addresses=("Hauptstraße 1",),
        postal_codes=("50667",),
        serial_number="42",
    )

    assert [attribute.rfc4514_string() for attribute in subject.to_x509()] == [
        "C=DE",
        "ST=NRW",
        "L=Köln",
        "STREET=Hauptstraße 1",
        "2.5.4.17=50667",
        "O=Example",
        "O=Example Two",
        "OU=Web",
        "2.5.4.5=42",
        "CN=web",
    ]
    assert subject.rfc4514.startswith("CN=web,2.5.4.5=42,OU=Web,O=Example Two")


def test_a_country_in_words_is_refused_with_the_code_to_use():
    with pytest.raises(MalformedName, match=r"two-letter ISO 3166 code.*CN for China") as refusal:
        SubjectName(countries=("China",))

    assert (refusal.value.field, refusal.value.value) == ("countries", "China")


@pytest.mark.parametrize("country", ["de", "D", "D1", "ДЕ", "", "DEU"])
def test_a_country_is_two_capitals(country: str):
    with pytest.raises(MalformedName, match="two-letter"):
        SubjectName(countries=(country,))


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"common_name": "a" * 65}, "at most 64"),
        ({"organizations": ("a" * 65,)}, "at most 64"),
        ({"localities": ("a" * 129,)}, "at most 128"),
        ({"postal_codes": ("1" * 41,)}, "at most 40"),
        ({"common_name": ""}, "is empty"),
        ({"organizations": ("  ",)}, "is empty"),
        ({"common_name": "web\n"}, "control"),
        ({"common_name": "web\0.example.com"}, "control"),
        ({"common_name": "\u202egpj.exe"}, "control or invisible"),
        ({"common_name": "\ud800"}, "control or invisible"),
        ({"serial_number": "a*b"}, "letters, digits"),
        ({"organizations": tuple(map(str, range(17)))}, "at most 16"),
    ],
)
def test_a_value_without_room_in_the_standard_is_refused(values: dict[str, str], hint: str):
    with pytest.raises(MalformedName, match=hint):
        SubjectName(**values)


def test_a_group_of_kubernetes_is_an_organization():
    subject = SubjectName(common_name="admin", organizations=("system:masters",))

    assert subject.rfc4514 == "CN=admin,O=system:masters"


def test_an_attribute_that_has_no_field_is_refused_by_number():
    name = x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@example.com")])

    with pytest.raises(MalformedName, match=r"1\.2\.840\.113549\.1\.9\.1.*leave it out"):
        SubjectName.from_x509(name)


def test_a_second_common_name_is_refused():
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text) for text in ("a", "b")])

    with pytest.raises(MalformedName, match="occurs 2 times"):
        SubjectName.from_x509(name)


def test_a_multi_valued_rdn_is_read_as_single_ones():
    name = x509.Name(
        [
            x509.RelativeDistinguishedName(
                [
                    x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
                    x509.NameAttribute(NameOID.COMMON_NAME, "web"),
                ]
            )
        ]
    )

    assert SubjectName.from_x509(name) == SubjectName(common_name="web", organizations=("Example",))


@pytest.mark.parametrize(
    ("tag", "value"),
    [(0x0C, "Köln".encode()), (0x13, b"Koln"), (0x1E, "Köln".encode("utf-16-be")), (0x1C, "Köln".encode("utf-32-be"))],
)
def test_each_string_type_in_use_is_read(tag: int, value: bytes):
    assert SubjectName.from_der(_common_name(tag, value)).common_name == value.decode(
        {0x0C: "utf-8", 0x13: "ascii", 0x1E: "utf-16-be", 0x1C: "utf-32-be"}[tag]
    )


@pytest.mark.parametrize(
    ("tag", "value"), [(0x0C, b"\xff"), (0x13, b"\xfc"), (0x14, b"a"), (0x03, b"\0a"), (0x1E, b"a")]
)
def test_a_string_in_a_wrong_encoding_is_refused(tag: int, value: bytes):
    with pytest.raises(MalformedName, match="encoding"):
        SubjectName.from_der(_common_name(tag, value))


def _common_name(tag: int, value: bytes) -> bytes:
    attribute = bytes.fromhex("0603550403") + bytes([tag, len(value)]) + value
    pair = bytes([0x30, len(attribute)]) + attribute
    rdn = bytes([0x31, len(pair)]) + pair
    return bytes([0x30, len(rdn)]) + rdn
