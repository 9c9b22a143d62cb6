"""How bodies are kept: packed, in rows or files, damaged ones, and who may read the files."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.storage.bodies import LARGE
from apiserver.storage.body_files import BodyFiles
from apiserver.storage.change_log import StoredChangeLog
from apiserver.storage.encoding import Encoding, decode_body, encode_body
from apiserver.storage.records import Compacted
from store.errors import StoreCorrupt
from tests.apiserver.storage.samples import FLUNDERS, body_of, create, key, large_body, update


def files(directory: Path) -> list[Path]:
    return list((directory / "bodies").glob("??/*"))


def columns(log):
    return log.database.read(
        lambda connection: connection.exec_driver_sql(
            "SELECT encoding, octets, length(content), digest IS NULL FROM object_bodies ORDER BY id"
        ).all()
    )


def forgetful(log) -> StoredChangeLog:
    """Reads past what is in memory."""
    return StoredChangeLog(log.database, log.files, cache_octets=0)


@given(st.binary(max_size=2000) | st.text(max_size=500).map(lambda text: (text * 20).encode()))
def test_body_comes_out_as_it_went_in(body):
    encoding, encoded = encode_body(body)

    assert decode_body(encoding, encoded, len(body)) == body
    assert len(encoded) <= len(body)


@given(st.binary(max_size=300), st.integers(0, 600))
def test_damaged_body_is_corrupt_and_nothing_else(octets, length):
    for encoding in Encoding:
        try:
            assert len(decode_body(encoding, octets, length)) == length
        except StoreCorrupt:
            continue


def test_header_that_promises_gigabytes_is_not_believed():
    encoding, encoded = encode_body(b"x" * 10_000)
    assert encoding is Encoding.ZSTD
    promising = encoded[:4] + b"\xe0" + (1 << 40).to_bytes(8, "little") + encoded[7:]

    with pytest.raises(StoreCorrupt):
        decode_body(encoding, promising, 10_000)


def test_small_bodies_are_rows_as_they_are_larger_ones_packed_and_the_largest_files(sqlite_log, directory):
    bodies = [b'{"a":1}', body_of("x" * 5000), large_body("a", 4 * LARGE), b'{"a":"%s"}' % (b"x" * 8 * LARGE)]
    for number, body in enumerate(bodies):
        create(sqlite_log, f"n{number}", body=body)

    found = columns(sqlite_log)
    assert [row[0] for row in found] == [Encoding.PLAIN, Encoding.ZSTD, Encoding.ZSTD, Encoding.ZSTD]
    assert [row[1] for row in found] == [len(body) for body in bodies]
    assert [row[3] for row in found] == [True, True, False, True]
    assert found[1][2] < 1000
    assert len(files(directory)) == 1
    log = forgetful(sqlite_log)
    assert [log.get(key(f"n{number}")).body.inline for number in range(4)] == bodies


@pytest.mark.postgresql
def test_on_postgresql_all_bodies_are_rows(postgresql_url, directory):
    from apiserver.storage.opening import open_change_log

    log = open_change_log(postgresql_url, directory)
    create(log, "a", body=large_body("a", 20 << 20))

    assert forgetful(log).get(key("a")).body.inline == large_body("a", 20 << 20)
    assert list(directory.iterdir()) == []
    log.close()


def test_files_are_named_after_what_is_in_them_and_are_the_owners_alone(sqlite_log, directory):
    create(sqlite_log, "a", body=large_body("a"))

    (path,) = files(directory)
    assert path.parent.name == path.name[:2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(one.stat().st_mode) for one in (path.parent, directory / "bodies")} == {0o700}
    assert list((directory / "bodies" / "incoming").iterdir()) == []


def test_update_that_keeps_the_body_writes_no_file(sqlite_log, directory):
    record = create(sqlite_log, "a", body=large_body("a"))
    (path,) = files(directory)
    before = path.stat()

    update(sqlite_log, record, body=None)

    assert files(directory) == [path]
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert len(columns(sqlite_log)) == 1


@pytest.mark.parametrize("damage", ["missing", "altered", "cut"])
def test_damaged_file_is_a_fault_of_that_object_alone(sqlite_log, directory, damage):
    start = sqlite_log.current_revision()
    create(sqlite_log, "a", body=large_body("a"))
    (path,) = files(directory)
    create(sqlite_log, "b", body=large_body("b"))
    create(sqlite_log, "c")
    if damage == "missing":
        path.unlink()
    else:
        octets = bytearray(path.read_bytes())
        octets[1000] ^= 1
        path.write_bytes(octets if damage == "altered" else octets[:-1])
    log = forgetful(sqlite_log)

    with pytest.raises(StoreCorrupt, match="backup"):
        log.get(key("a"))
    with pytest.raises(StoreCorrupt, match="backup"):
        log.page(FLUNDERS, namespace=None, at=None, after=None, limit=9, with_bodies=True)
    damaged = log.get(key("a"), with_body=False)
    assert damaged is not None
    with pytest.raises(StoreCorrupt):
        log.read_body(damaged.body)
    assert [log.get(key(name)).body.inline for name in "bc"] == [large_body("b"), body_of("c/")]
    assert len(log.page(FLUNDERS, namespace=None, at=None, after=None, limit=9, with_bodies=False).records) == 3
    assert [change.record.body.inline is None for change in log.changes(after=start, limit=9)] == [True, False, False]
    repaired = update(log, damaged, body=large_body("new"))
    assert log.get(key("a")) == repaired


def test_writing_the_same_body_mends_a_damaged_file(sqlite_log, directory):
    create(sqlite_log, "a", body=large_body("same"))
    (path,) = files(directory)
    path.write_bytes(b"damaged")

    create(sqlite_log, "b", body=large_body("same"))

    assert forgetful(sqlite_log).get(key("a")).body.inline == large_body("same")


def test_body_whose_last_version_is_compacted_is_said_to_be_gone(log):
    from apiserver.storage.compaction import compact

    first = create(log, "a", label="first")
    old = log.get(key("a"), with_body=False)
    update(log, first, label="second")
    compact(log.database, log.current_revision())

    with pytest.raises(Compacted):
        forgetful(log).read_body(old.body)


def test_write_that_fails_leaves_no_half_file(tmp_path):
    bodies = BodyFiles(tmp_path / "bodies")
    (tmp_path / "bodies" / "incoming").rmdir()

    with pytest.raises(Exception, match="cannot be written"):
        bodies.keep(b"x")

    (tmp_path / "bodies" / "incoming").mkdir()
    digest = bodies.keep(b"x")
    assert bodies.read(digest) == b"x"
    bodies.let_go(digest)
    with bodies.sweep() as sweep:
        assert sweep.discard(digest)
