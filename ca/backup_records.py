"""What is in a backup, record by record: a manifest, files, rows of tables, and at the end how much of each there was.

- MessagePack, each record behind its length; a record holds a file of at most 1 MiB, or some hundred rows.
- Read again it is held to its types and to its own count before anybody uses it.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import msgspec

from ca.ambient import Entropy
from ca.errors import BackupDamaged
from ca.sealed_stream import SealedReader, SealedWriter

KEYS = "keys/"

_LENGTH_OCTETS = 4
_LARGEST_RECORD = 64 << 20


class Manifest(msgspec.Struct, frozen=True, kw_only=True, tag="manifest"):
    """`created_at` in seconds since 1970; `schema` is the revision of the tables."""

    created_at: int
    schema: str
    engine: str


class File(msgspec.Struct, frozen=True, kw_only=True, tag="file"):
    """`name` is relative to the data directory."""

    name: str
    content: bytes


class Rows(msgspec.Struct, frozen=True, kw_only=True, tag="rows"):
    """Values are whole numbers, text, octets, booleans or nothing, as `store.copying` has them."""

    table: str
    columns: list[str]
    rows: list[list[Any]]  # msgspec tells text from octets by itself, and takes no union of them


class End(msgspec.Struct, frozen=True, kw_only=True, tag="end"):
    files: int
    rows: dict[str, int]
    keys: int


Record: TypeAlias = Manifest | File | Rows | End


class RecordWriter:
    def __init__(self, file: BinaryIO, passphrase: bytes, entropy: Entropy) -> None:
        self._stream = SealedWriter(file, passphrase, entropy)
        self._encoder = msgspec.msgpack.Encoder()
        self._count = _Count()

    def write(self, record: Record) -> None:
        encoded = self._encoder.encode(record)
        self._stream.write(len(encoded).to_bytes(_LENGTH_OCTETS))
        self._stream.write(encoded)
        self._count.add(record)

    def close(self) -> End:
        end = self._count.end()
        self.write(end)
        self._stream.close()
        return end


def read_records(path: Path, passphrase: bytes) -> Iterator[Record]:
    """The manifest first, the end last. Raises BackupDamaged where there is more or less than its end says; WrongPassphrase."""
    decoder = msgspec.msgpack.Decoder(Manifest | File | Rows | End)
    count = _Count()
    with path.open("rb") as file:
        stream = SealedReader(file, passphrase)
        record = _read(stream, decoder)
        if not isinstance(record, Manifest):
            raise BackupDamaged("the backup does not begin with its manifest; take another")
        while not isinstance(record, End):
            yield record
            count.add(record)
            record = _read(stream, decoder)
        stream.verify_end()
        if record != count.end():
            raise BackupDamaged("the backup does not hold what its end says; take another")
        yield record


class _Count:
    def __init__(self) -> None:
        self._files = 0
        self._keys = 0
        self._rows: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        if isinstance(record, File):
            self._files += 1
            self._keys += record.name.startswith(KEYS)
        elif isinstance(record, Rows):
            self._rows[record.table] += len(record.rows)
            self._keys += len(record.rows) if record.table == "authority_keys" else 0

    def end(self) -> End:
        return End(files=self._files, rows=dict(self._rows), keys=self._keys)


def _read(stream: SealedReader, decoder: "msgspec.msgpack.Decoder[Record]") -> Record:
    length = int.from_bytes(stream.read(_LENGTH_OCTETS))
    if length > _LARGEST_RECORD:
        raise BackupDamaged("a record of the backup is too large; take another")
    try:
        return decoder.decode(stream.read(length))
    except msgspec.MsgspecError as err:
        raise BackupDamaged("a record of the backup is not one that this release knows; take another") from err
