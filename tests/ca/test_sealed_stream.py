"""The encrypted stream of a backup: what was written comes back, and nothing else does."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import BackupDamaged
from ca.sealed_stream import PIECE_OCTETS, SealedReader, SealedWriter, StreamCost
from certs.errors import PassphraseRequired, WrongPassphrase
from tests.ca.offices import CountedEntropy

CHEAP = StreamCost(log_n=1, r=1, p=1)
HEADER = 36
SEALED = PIECE_OCTETS + 16


def sealed(*parts: bytes, passphrase: bytes = b"correct horse") -> bytes:
    file = io.BytesIO()
    writer = SealedWriter(file, passphrase, CountedEntropy(), cost=CHEAP)
    for part in parts:
        writer.write(part)
    writer.close()
    return file.getvalue()


def opened(stream: bytes, count: int, passphrase: bytes = b"correct horse") -> bytes:
    reader = SealedReader(io.BytesIO(stream), passphrase)
    octets = reader.read(count)
    reader.verify_end()
    return octets


@pytest.mark.parametrize("size", [0, 1, PIECE_OCTETS - 1, PIECE_OCTETS, PIECE_OCTETS + 1, 3 * PIECE_OCTETS])
def test_what_was_written_is_read(size: int) -> None:
    content = bytes(number % 251 for number in range(size))

    stream = sealed(content[: size // 3], content[size // 3 :])

    assert opened(stream, size) == content
    assert len(stream) == HEADER + size + 16 * max(1, -(-size // PIECE_OCTETS))
    assert size < 16 or content[:16] not in stream


def test_wrong_passphrase_and_none_are_told() -> None:
    with pytest.raises(WrongPassphrase, match="does not open the backup"):
        opened(sealed(b"x"), 1, b"wrong")
    with pytest.raises(PassphraseRequired):
        sealed(b"x", passphrase=b"")


@given(st.integers(min_value=0, max_value=HEADER + 2 * SEALED + 100 + 15), st.integers(min_value=0, max_value=7))
def test_no_bit_can_be_changed(place: int, bit: int) -> None:
    stream = bytearray(STREAM)
    stream[place] ^= 1 << bit

    with pytest.raises((BackupDamaged, WrongPassphrase)):
        opened(bytes(stream), 2 * PIECE_OCTETS + 100)


STREAM = sealed(b"a" * PIECE_OCTETS, b"b" * PIECE_OCTETS, b"c" * 100)


@pytest.mark.parametrize(
    "cut",
    [
        STREAM[: HEADER + SEALED],
        STREAM[: HEADER + 2 * SEALED],
        STREAM[:-1],
        STREAM[: HEADER + SEALED + 5],
        STREAM + b"x",
        STREAM[:HEADER] + STREAM[HEADER + SEALED :],
        STREAM[: HEADER + SEALED] + STREAM[HEADER : HEADER + SEALED] + STREAM[HEADER + 2 * SEALED :],
    ],
    ids=["one-piece", "two-pieces", "one-octet", "within", "longer", "without-the-first", "repeated"],
)
def test_nothing_can_be_cut_off_repeated_or_added(cut: bytes) -> None:
    with pytest.raises((BackupDamaged, WrongPassphrase)):
        opened(cut, 2 * PIECE_OCTETS + 100)


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        (b"", "not a backup"),
        (b"SQLite format 3\x00" * 10, "not a backup"),
        (STREAM[:16] + b"\x02" + STREAM[17:], "format 2"),
        (STREAM[:17] + b"\x3f" + STREAM[18:], "beyond reason"),
    ],
)
def test_what_is_no_backup_of_ours_is_refused_at_once(stream: bytes, told: str) -> None:
    with pytest.raises(BackupDamaged, match=told):
        opened(stream, 1)


def test_reading_on_behind_the_end_is_told() -> None:
    with pytest.raises(BackupDamaged, match="too early"):
        opened(sealed(b"abc"), 4)
    with pytest.raises(BackupDamaged, match="goes on"):
        opened(sealed(b"abc"), 2)
