import pytest
from cryptography.hazmat import asn1
from hypothesis import given
from hypothesis import strategies as st

from certs.tlv import read_element, read_elements


@given(st.binary(max_size=70000))
def test_a_value_of_any_length_is_found(value: bytes):
    der = asn1.encode_der(value)

    assert read_element(der, 0) == (0x04, len(der) - len(value), len(der))


@given(st.lists(st.binary(max_size=300), max_size=10))
def test_elements_follow_one_another(values: list[bytes]):
    der = b"".join(map(asn1.encode_der, values))

    assert [der[begin:end] for _, begin, end in read_elements(der, 0, len(der))] == values


@given(st.binary(max_size=64), st.integers(min_value=0, max_value=70))
def test_no_input_leads_out_of_the_buffer(der: bytes, start: int):
    try:
        _, begin, end = read_element(der, start)
    except ValueError:
        return
    assert start < begin <= end <= len(der)


@pytest.mark.parametrize(
    "der", ["", "30", "3001", "3080", "308100", "30817f", "30820080", "1f0100", "3085000000000100", "308401", "30ff"]
)
def test_what_is_not_der_is_refused(der: str):
    with pytest.raises(ValueError, match="DER"):
        read_element(bytes.fromhex(der), 0)


def test_an_element_may_not_outgrow_what_contains_it():
    with pytest.raises(ValueError, match="longer"):
        list(read_elements(bytes.fromhex("300404020101"), 2, 4))
