"""Backup and restore of a whole authority, rehearsed: destroyed, put back elsewhere, and at work again."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

import ca.restoring
from ca.ambient import NO_SECRETS, Secrets
from ca.backup import BackupMaker
from ca.backup_records import End, File, Manifest, Record, RecordWriter, Rows, read_records
from ca.crls import CrlPublisher
from ca.errors import (
    AlreadyInitialised,
    AuthorityMismatch,
    BackupDamaged,
    BackupRefused,
    NotInitialised,
    TokenRefused,
)
from ca.keys import KeyFiles
from ca.office import Office
from ca.passphrase_change import PENDING
from ca.restoring import CRL_NUMBERS_AHEAD, STAGING, Restored, Restorer
from ca.settings import ServeSettings
from certs.errors import PassphraseRequired, WrongPassphrase
from certs.keys import KeyType, generate_private_key
from store.errors import AuditChainBroken, SchemaTooNew
from tests.ca.offices import CountedEntropy, Premises, administrator, call_of, order_for, registry_of
from tests.ca.test_tokens import made, spend

PASSPHRASE = b"battery staple"


def back_up(premises: Premises, destination: Path, *, secrets: Secrets = NO_SECRETS, **settings: object) -> End:
    return BackupMaker(
        settings=ServeSettings.from_mapping({"data_directory": premises.directory, **settings}),
        secrets=secrets,
        clock=premises.clock,
        entropy=premises.entropy,
    ).make(destination, PASSPHRASE)


def restore(
    premises: Premises,
    source: Path,
    *,
    passphrase: bytes = PASSPHRASE,
    secrets: Secrets = NO_SECRETS,
    **settings: object,
) -> Restored:
    return Restorer(
        settings=ServeSettings.from_mapping({"data_directory": premises.directory, **settings}),
        secrets=secrets,
        clock=premises.clock,
        entropy=premises.entropy,
    ).restore(source, passphrase)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Premises:
    """Another machine, with other randomness."""
    return Premises(directory=tmp_path / "elsewhere", entropy=CountedEntropy(start=9_000_000))


@pytest.fixture
def backup(premises: Premises, tmp_path: Path) -> Path:
    back_up(premises, tmp_path / "backup")
    return tmp_path / "backup"


def publisher(office: Office) -> CrlPublisher:
    return CrlPublisher(
        inventory=office.inventory,
        authorities=office.authorities,
        issuers=office.issuers,
        revocations=office.revocations,
        settings=office.settings.issuance,
        clock=office.clock,
    )


@pytest.mark.parametrize("served", [True, False], ids=["while-it-serves", "stopped"])
def test_authority_that_was_destroyed_goes_on_elsewhere(
    premises: Premises, elsewhere: Premises, tmp_path: Path, served: bool
) -> None:
    """The rehearsal: init, issue, revoke, spend, back up, go on a little, destroy, restore elsewhere, go on."""
    with premises.open() as office:
        kept, gone = (office.authority.issue(order_for(name)) for name in ("kept.example", "gone.example"))
        registry_of(office).revoke(call_of(administrator()), gone.id, 1)
        spent, _ = made(office)
        open_one, _ = made(office)
        spend(office, spent.id)
        roots, events = office.issuers.bundle.roots, office.audit.page().items
        issuer = office.issuers.active().id
        publisher(office).current(issuer, 0)
        sealed = office.sealing_key.seal(b"secret", subject_id=kept.id)
        if served:
            back_up(premises, tmp_path / "backup")
    if not served:
        back_up(premises, tmp_path / "backup")
    with premises.open() as office:  # what happens after the backup is lost with it
        spend(office, open_one.id)
        last_number = publisher(office).current(issuer, 3).number
        numbers = {shard: publisher(office).current(issuer, shard).number for shard in range(4)}
        lost = office.authority.issue(order_for("lost.example"))
    shutil.rmtree(premises.directory)
    elsewhere.clock.advance(timedelta(seconds=20))

    restored = restore(elsewhere, tmp_path / "backup")

    assert (restored.keys_opened, restored.certificates, restored.tokens_withdrawn) == (2, 3, 1)
    with elsewhere.open() as office:
        assert not office.founded
        assert office.issuers.bundle.roots == roots
        assert set(office.audit.page().items) > set(events)
        assert office.audit.verify_chain() > len(events)
        assert office.inventory.find(kept.id).der == kept.der
        assert office.inventory.find(gone.id).revoked_at is not None
        for shard, number in numbers.items():
            assert publisher(office).current(issuer, shard).number > max(number, last_number)
        with pytest.raises(TokenRefused):
            spend(office, spent.id)
        with pytest.raises(TokenRefused):
            spend(office, open_one.id)
        assert office.sealing_key.open(sealed, subject_id=kept.id) == b"secret"
        fresh = [office.authority.issue(order_for("new.example")) for _ in range(20)]
        assert not {one.serial for one in fresh} & {kept.serial, gone.serial, lost.serial}
        spend(office, made(office)[0].id)
    assert not (elsewhere.directory / STAGING).exists()
    exposed = [path for path in elsewhere.directory.rglob("*") if path.stat().st_mode & 0o077]
    assert exposed == []


def test_backup_is_private_encrypted_and_noted(premises: Premises, tmp_path: Path) -> None:
    end = back_up(premises, tmp_path / "backup")

    content = (tmp_path / "backup").read_bytes()
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    assert end.keys == 2
    for secret in (b"PRIVATE KEY", (premises.directory / "passphrase").read_bytes().strip(), b"Chancery Root CA"):
        assert secret not in content
    assert {path.name for path in tmp_path.iterdir()} == {"backup", "premises"}
    with premises.open() as office:
        assert office.audit.page().items[0].action == "backup.create"


def test_settings_that_are_not_defaults_come_along(premises: Premises, elsewhere: Premises, tmp_path: Path) -> None:
    back_up(
        premises,
        tmp_path / "backup",
        crl_base_url="http://ca.example/crl",
        crl_lifetime="2d",
        advertised_names="a.example,b.example",
        reflection=False,
    )

    assert restore(elsewhere, tmp_path / "backup").has_settings
    assert (elsewhere.directory / "settings.yaml").read_text().splitlines() == [
        "advertised_names:", "- a.example", "- b.example", "reflection: false", "crl_base_url: http://ca.example/crl",
        "crl_lifetime: 2d",
    ]  # fmt: skip


def test_passphrase_that_is_kept_elsewhere_is_not_in_the_backup(
    empty_premises: Premises, elsewhere: Premises, tmp_path: Path
) -> None:
    given = Secrets(passphrase=b"the one elsewhere")
    with empty_premises.open(secrets=given):
        pass
    back_up(empty_premises, tmp_path / "backup", secrets=given)

    wrong = Premises(directory=tmp_path / "wrong")
    with pytest.raises(WrongPassphrase, match="CHANCERY_PASSPHRASE"):
        restore(wrong, tmp_path / "backup", secrets=Secrets(passphrase=b"wrong"))
    assert restore(elsewhere, tmp_path / "backup").keys_opened is None
    assert not (elsewhere.directory / "passphrase").exists()
    with elsewhere.open(secrets=given) as office:
        assert office.authority.issue(order_for("web.example"))
    assert {path.name for path in wrong.directory.iterdir()} == {"lock"}


def test_existing_authority_is_not_touched(premises: Premises, backup: Path) -> None:
    before = {path: path.read_bytes() for path in premises.directory.rglob("*") if path.is_file()}

    with pytest.raises(AlreadyInitialised, match="empty directory"):
        restore(premises, backup)
    with pytest.raises(AlreadyInitialised):
        restore(Premises(directory=backup.parent / "x"), backup, database=f"sqlite://{premises.directory}/chancery.db")
    assert {path: path.read_bytes() for path in before} == before


def test_existing_file_is_not_overwritten(premises: Premises, tmp_path: Path) -> None:
    (tmp_path / "backup").write_text("precious")

    with pytest.raises(BackupRefused, match="another file"):
        back_up(premises, tmp_path / "backup")
    assert (tmp_path / "backup").read_text() == "precious"


def test_there_must_be_something_to_back_up_and_a_passphrase(
    premises: Premises, empty_premises: Premises, tmp_path: Path
) -> None:
    with pytest.raises(NotInitialised):
        back_up(empty_premises, tmp_path / "backup")
    maker = BackupMaker(
        settings=ServeSettings.from_mapping({"data_directory": premises.directory}),
        secrets=NO_SECRETS,
        clock=premises.clock,
        entropy=premises.entropy,
    )
    with pytest.raises(PassphraseRequired):
        maker.make(tmp_path / "backup", b"")
    assert list(tmp_path.glob("*backup*")) == []


def test_half_a_change_of_passphrase_is_not_backed_up(premises: Premises, tmp_path: Path) -> None:
    (premises.directory / PENDING).mkdir(mode=0o700)

    with pytest.raises(BackupRefused, match="not finished"):
        back_up(premises, tmp_path / "backup")


@pytest.mark.parametrize("octet", [0, 20, 5000, -1])
def test_damaged_backup_puts_nothing_in_place(backup: Path, elsewhere: Premises, octet: int) -> None:
    content = bytearray(backup.read_bytes())
    content[octet] ^= 1
    backup.write_bytes(content)

    with pytest.raises((BackupDamaged, WrongPassphrase)):
        restore(elsewhere, backup)
    assert not elsewhere.directory.exists()


def test_wrong_passphrase_puts_nothing_in_place(backup: Path, elsewhere: Premises) -> None:
    with pytest.raises(WrongPassphrase):
        restore(elsewhere, backup, passphrase=b"wrong")
    assert not elsewhere.directory.exists()


def rewritten(backup: Path, change: Callable[[Record], Record | None]) -> Path:
    """The same backup with other records, whole and under the same passphrase."""
    path = backup.with_name("rewritten")
    records = [changed for record in read_records(backup, PASSPHRASE) if (changed := change(record))]
    with path.open("wb") as file:
        writer = RecordWriter(file, PASSPHRASE, CountedEntropy(start=77))
        for record in records[:-1]:
            writer.write(record)
        writer.close()
    return path


def of_a_newer_release(record: Record) -> Record:
    return Manifest(created_at=0, schema="9999", engine="sqlite") if isinstance(record, Manifest) else record


def without_an_event(record: Record) -> Record:
    if isinstance(record, Rows) and record.table == "audit_events":
        return Rows(table=record.table, columns=record.columns, rows=record.rows[1:])
    return record


def with_a_strangers_key(record: Record) -> Record:
    if isinstance(record, File) and record.name.startswith("keys/"):
        return File(name=record.name, content=_STRANGERS[0])
    return record


def with_a_file_of_its_own(record: Record) -> Record:
    return File(name="../../etc/passwd", content=b"") if isinstance(record, File) else record


def with_a_table_of_its_own(record: Record) -> Record:
    return Rows(table="sqlite_master", columns=[], rows=[]) if isinstance(record, Rows) else record


def without_a_manifest(record: Record) -> Record | None:
    return None if isinstance(record, Manifest) else record


_STRANGERS: list[bytes] = []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (of_a_newer_release, SchemaTooNew),
        (without_an_event, AuditChainBroken),
        (with_a_strangers_key, AuthorityMismatch),
        (with_a_file_of_its_own, BackupDamaged),
        (with_a_table_of_its_own, BackupDamaged),
        (without_a_manifest, BackupDamaged),
    ],
)
def test_backup_that_contradicts_itself_puts_nothing_in_place(
    premises: Premises, backup: Path, elsewhere: Premises, change: Callable[[Record], Record], error: type[Exception]
) -> None:
    files = KeyFiles(backup.parent, (premises.directory / "passphrase").read_bytes().strip(), premises.entropy)
    files.put("stranger", generate_private_key(KeyType.EC_P256))
    _STRANGERS[:] = [(backup.parent / "stranger.pem").read_bytes()]

    with pytest.raises(error):
        restore(elsewhere, rewritten(backup, change))
    there = {path.name for path in elsewhere.directory.iterdir()} if elsewhere.directory.exists() else set()
    assert there <= {"lock"}


@pytest.mark.parametrize("step", ["_unpack", "_remove_database", "sync_directory", "open_database", "move_ahead"])
def test_restore_that_was_cut_off_is_begun_again(
    backup: Path, elsewhere: Premises, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def die(*_arguments: object, **_fields: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ca.restoring, step, die)
        patched.setattr(shutil, "rmtree", lambda *_arguments, **_fields: None)  # as if killed: nothing is tidied up
        with pytest.raises(KeyboardInterrupt):
            restore(elsewhere, backup)
    with pytest.raises(NotInitialised, match="run it again"), elsewhere.open():
        pass

    restore(elsewhere, backup)

    with elsewhere.open() as office:
        assert office.authority.issue(order_for("web.example"))


def test_crl_numbers_have_room_for_many_restores() -> None:
    assert CRL_NUMBERS_AHEAD * 1_000_000_000 < 2**63


@pytest.mark.postgresql
@pytest.mark.parametrize("way", ["there", "back"])
def test_authority_moves_between_sqlite_and_postgresql(
    premises: Premises, elsewhere: Premises, tmp_path: Path, postgresql_url: str, way: str
) -> None:
    given = Secrets(passphrase=(premises.directory / "passphrase").read_bytes().strip())
    with premises.open() as office:
        roots, record = office.issuers.bundle.roots, office.authority.issue(order_for("web.example"))
    back_up(premises, tmp_path / "backup")
    assert restore(elsewhere, tmp_path / "backup", database=postgresql_url).keys_opened == 2
    place, database = elsewhere, postgresql_url
    if way == "back":
        back_up(elsewhere, tmp_path / "second", database=postgresql_url)
        place, database = Premises(directory=tmp_path / "third", entropy=CountedEntropy(start=3)), ""
        assert restore(place, tmp_path / "second").keys_opened == 2
        assert len(list((place.directory / "keys").iterdir())) == 2

    with place.open(database=database, secrets=given) as office:
        assert office.issuers.bundle.roots == roots
        assert office.inventory.find(record.id).der == record.der
        assert office.authority.issue(order_for("web.example"))
        assert office.audit.verify_chain()
    with pytest.raises(AlreadyInitialised):
        restore(Premises(directory=tmp_path / "fourth"), tmp_path / "backup", database=postgresql_url)
