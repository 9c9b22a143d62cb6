from datetime import UTC, datetime

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from certs import der
from certs.errors import MalformedInput


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "020100"), (127, "02017f"), (128, "02020080"), (256, "02020100"), (-128, "020180"), (-129, "0202ff7f")],
)
def test_integers_take_the_fewest_octets(value, encoded):
    assert der.integer(value).hex() == encoded


@pytest.mark.parametrize("length", [0, 127, 128, 255, 256, 65535, 65536, 20_000_000])
def test_any_length_is_read_back(length):
    element = der.encode(der.OCTET_STRING, bytes(length))

    assert der.read(element, der.OCTET_STRING).content == bytes(length)


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_a_sequence_gives_back_its_elements(contents):
    elements = [der.encode(der.OCTET_STRING, content) for content in contents]

    encoded = der.sequence(*elements)

    assert der.split(der.content(encoded)) == elements
    assert [child.content for child in der.read(encoded).children()] == contents


@given(st.binary(max_size=200))
def test_reading_anything_raises_malformed_input_alone(data):
    try:
        element = der.read(data, data[0] if data else 0x30)
        assert element.encoded == data
        list(element.children())
    except MalformedInput:
        pass


@pytest.mark.parametrize(
    "hexadecimal",
    ["", "30", "3080", "30800000", "308100", "30817f", "3082007f", "3001", "3f8100", "300000", "3085000000000100"],
    ids=["empty", "no length", "indefinite", "indefinite, closed", "padded 0", "padded 127", "two octets for one",
         "cut short", "long tag", "trailing", "five octets of length"],
)  # fmt: skip
def test_what_is_not_der_is_refused(hexadecimal):
    with pytest.raises(MalformedInput):
        der.read(bytes.fromhex(hexadecimal))


def test_a_child_that_leaves_its_parent_is_refused():
    with pytest.raises(MalformedInput, match="cut short"):
        list(der.read(bytes.fromhex("300302050000"[:10])).children())


def test_another_tag_is_refused():
    with pytest.raises(MalformedInput, match="tag"):
        der.read(der.integer(1))


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=6), st.integers(0, 2), st.integers(0, 39))
def test_object_identifiers_are_encoded_as_cryptography_does(rest, first, second):
    dotted = ".".join(map(str, (first, second, *rest)))

    assert der.object_identifier(dotted) == x509.ExtendedKeyUsage([x509.ObjectIdentifier(dotted)]).public_bytes()[2:]


@pytest.mark.parametrize("bits", [{0}, {5, 6}, {0, 5, 6}, {0, 4, 8}, {4, 7}])
def test_named_bits_are_encoded_as_cryptography_does(bits):
    usage = x509.KeyUsage(*(bit in bits for bit in range(9)))

    assert der.named_bits(frozenset(bits)) == usage.public_bytes()


def test_no_named_bits_make_an_empty_bit_string():
    assert der.named_bits(frozenset()) == bytes.fromhex("030100")


@pytest.mark.parametrize(
    ("moment", "encoded"),
    [
        (datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), b"\x17\x0d491231235959Z"),
        (datetime(2050, 1, 1, tzinfo=UTC), b"\x18\x0f20500101000000Z"),
        (datetime(1950, 1, 1, tzinfo=UTC), b"\x17\x0d500101000000Z"),
    ],
)
def test_times_change_form_in_2050(moment, encoded):
    assert der.time(moment) == encoded


def test_generalized_time_keeps_four_digits_of_the_year():
    assert der.generalized_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == b"\x18\x0f20260102030405Z"
