from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat import asn1
from hypothesis import given
from hypothesis import strategies as st

from certs.errors import MalformedSerial
from certs.serials import Serial

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
OCTETS = st.binary(min_size=16, max_size=16).filter(lambda octets: 1 <= octets[0] <= 0x7F)
INSTANTS = st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2242, 1, 1), timezones=st.just(UTC))


def test_a_serial_holds_the_time_and_eleven_random_octets(entropy):
    serial = Serial.mint(NOW, entropy)

    assert serial.octets[:5] == (int(NOW.timestamp()) * 64).to_bytes(5, "big")
    assert len(serial.octets) == 16
    assert serial.minted_at == NOW


def test_serials_of_one_instant_differ_by_entropy_alone(entropy):
    first, second = Serial.mint(NOW, entropy), Serial.mint(NOW, entropy)

    assert first.octets[:5] == second.octets[:5]
    assert first != second


def test_later_serials_sort_later(entropy):
    serials = [Serial.mint(NOW + timedelta(seconds=second), entropy) for second in range(20)]

    assert sorted(serials) == serials


@given(INSTANTS)
def test_a_minted_serial_is_a_positive_integer_of_sixteen_octets_in_der(now: datetime):
    serial = Serial.mint(now, lambda count: b"\xff" * count)

    assert serial.to_int() > 0
    assert asn1.encode_der(serial.to_int()) == b"\x02\x10" + serial.octets


def test_an_entropy_that_answers_too_little_is_noticed():
    with pytest.raises(MalformedSerial):
        Serial.mint(NOW, lambda count: b"\x01" * (count - 1))


@given(OCTETS)
def test_a_serial_reads_back_from_integer_and_text(octets: bytes):
    serial = Serial(octets=octets)

    assert Serial.from_int(serial.to_int()) == serial
    assert Serial.from_hex(str(serial)) == serial
    assert serial.hex == str(serial) == octets.hex()


def test_the_spelling_of_openssl_is_understood():
    text = "1A:2B:3C:4D:5E:6F:70:81:92:A3:B4:C5:D6:E7:F8:09"

    assert Serial.from_hex(text).hex == "1a2b3c4d5e6f708192a3b4c5d6e7f809"


@given(st.text())
def test_any_text_is_a_serial_or_malformed(text: str):
    try:
        serial = Serial.from_hex(text)
    except MalformedSerial:
        return
    assert serial.hex == text.strip().replace(":", "").lower()


@pytest.mark.parametrize("text", ["", "0" * 32, "8" + "0" * 31, "g" * 32, "1" * 31, "1" * 33, "٣" * 32])
def test_what_we_cannot_have_issued_is_refused(text: str):
    with pytest.raises(MalformedSerial, match="check where it was copied from"):
        Serial.from_hex(text)


@pytest.mark.parametrize("number", [0, -1, 1, 1 << 127, 1 << 130, -(1 << 126)])
def test_a_foreign_integer_is_refused(number: int):
    with pytest.raises(MalformedSerial):
        Serial.from_int(number)
