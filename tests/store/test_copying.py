"""Copies of whole databases: across engines and releases, and ahead of what the original may have given out since."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from store.audit import AuditTrail
from store.authorities import Authorities
from store.bulk import RowExists
from store.copying import TableWriter, holds_authority, move_ahead, read_tables, schema_revision
from store.database import Database, open_database
from store.inventory import Inventory
from store.migrations import AUTHORITY
from store.tokens import Tokens
from tests.store.samples import NOW, authority, event, issuance, token

OLD = replace(AUTHORITY, revisions=AUTHORITY.revisions[:1])


def copied(source: Database, target: Database) -> None:
    tables = source.read(lambda connection: list(read_tables(connection)))

    def write(connection):
        writer = TableWriter(connection)
        for table in tables:
            writer.write(*table)

    target.write(write)


def test_copy_holds_what_the_original_holds_on_either_engine(database: Database, tmp_path: Path) -> None:
    Authorities(database).add(authority(), event())
    (record,) = Inventory(database).record([issuance(sealed=b"box")])
    target = open_database(f"sqlite://{tmp_path / 'copy.db'}")
    try:
        assert not target.read(holds_authority)
        copied(database, target)

        assert target.read(holds_authority)
        assert target.read(lambda connection: list(read_tables(connection))) == database.read(
            lambda connection: list(read_tables(connection))
        )
        assert Inventory(target).find(record.id) == record
        assert AuditTrail(target).verify_chain() == 2
        with pytest.raises(RowExists):
            copied(database, target)
    finally:
        target.close()


def test_copy_of_an_earlier_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    old, copy = (open_database(f"sqlite://{tmp_path / name}", OLD) for name in ("old.db", "copy.db"))
    old.write(lambda connection: connection.execute(text("INSERT INTO sealing_keys VALUES ('private-keys', x'00')")))

    copied(old, copy)
    assert copy.read(schema_revision) == "0001"
    old.close()
    copy.close()

    newest = open_database(f"sqlite://{tmp_path / 'copy.db'}")
    assert newest.read(schema_revision) == AUTHORITY.newest
    assert Authorities(newest).sealing_key(b"other") == b"\x00"
    newest.close()


def test_opening_without_migrating_leaves_the_schema_as_it_is(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path / 'old.db'}"
    open_database(url, OLD).close()

    database = open_database(url, migrating=False)

    assert database.read(schema_revision) == "0001"
    database.close()


def test_copy_gives_out_no_number_and_takes_no_token_twice(database: Database) -> None:
    authorities, tokens = Authorities(database), Tokens(database)
    issuer = authorities.add(authority(), event())
    for _ in range(3):
        authorities.next_crl_number(issuer.id, 1)
    open_one = token(expires_at=NOW + 60)
    tokens.add(open_one, event())

    withdrawn = database.write(lambda connection: move_ahead(connection, crl_numbers=1000, shards=4, at=NOW))

    assert withdrawn == 1
    assert [authorities.next_crl_number(issuer.id, shard) for shard in range(4)] == [1001, 1004, 1001, 1001]
    assert database.write(lambda connection: move_ahead(connection, crl_numbers=1000, shards=4, at=NOW)) == 0


def test_table_that_does_not_fit_is_refused(database: Database) -> None:
    with pytest.raises(KeyError, match="tokens"):
        database.write(lambda connection: TableWriter(connection).write("tokens", ["id"], []))
