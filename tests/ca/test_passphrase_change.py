"""Another passphrase for all that is kept under one: whole, or not at all, whenever the process is killed."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

import ca.keys
from ca.ambient import NO_SECRETS, Secrets
from ca.errors import DataDirectoryInUse, InvalidArgument, NotInitialised
from ca.keys import KeyFiles
from ca.passphrase_change import PENDING, PassphraseChange, PassphraseChanger
from ca.settings import ServeSettings
from certs.errors import PassphraseRequired, WrongPassphrase
from certs.keys import KeyType, generate_private_key
from store.keys_at_rest import KeysAtRest
from tests.ca import dying_change
from tests.ca.offices import CountedEntropy, Premises, order_for

OLD, NEW = Secrets(passphrase=b"the old one"), Secrets(passphrase=b"the new one")


def change(
    premises: Premises, new: bytes | None, *, secrets: Secrets = NO_SECRETS, **settings: object
) -> PassphraseChange:
    return PassphraseChanger(
        settings=ServeSettings.from_mapping({"data_directory": premises.directory, **settings}),
        secrets=secrets,
        clock=premises.clock,
        entropy=premises.entropy,
    ).change(new)


def test_keys_open_with_the_new_passphrase_only(empty_premises: Premises) -> None:
    with empty_premises.open(secrets=OLD) as office:
        roots = office.issuers.bundle.roots

    done = change(empty_premises, b"the new one\n", secrets=OLD)

    assert done == PassphraseChange(keys=2, written_to=None)
    with pytest.raises(WrongPassphrase), empty_premises.open(secrets=OLD):
        pass
    with empty_premises.open(secrets=NEW) as office:
        assert office.issuers.bundle.roots == roots
        assert office.authority.issue(order_for("web.example"))
        assert office.audit.page(subject_id="").items
        assert "passphrase.change" in {event.action for event in office.audit.page().items}
        assert office.audit.verify_chain()


def test_what_was_sealed_before_is_opened_after(premises: Premises) -> None:
    with premises.open() as office:
        box = office.sealing_key.seal(b"secret", subject_id="one")

    change(premises, None)

    with premises.open() as office:
        assert office.sealing_key.open(box, subject_id="one") == b"secret"


@pytest.mark.parametrize("new", [None, b"chosen"])
def test_passphrase_beside_the_keys_is_replaced_there(premises: Premises, new: bytes | None) -> None:
    path = premises.directory / "passphrase"
    before = path.read_bytes()

    done = change(premises, new)

    assert done.written_to == path
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() != before
    assert new is None or path.read_bytes() == new + b"\n"
    with premises.open() as office:
        assert office.authority.issue(order_for("web.example"))
    assert not list(premises.directory.glob(f"{PENDING}*"))


def test_refusals_change_nothing(premises: Premises, empty_premises: Premises) -> None:
    present = (premises.directory / "passphrase").read_bytes()
    with pytest.raises(InvalidArgument, match="present one"):
        change(premises, present)
    with pytest.raises(WrongPassphrase, match="CHANCERY_PASSPHRASE"):
        change(premises, b"new", secrets=Secrets(passphrase=b"wrong"))
    with pytest.raises(PassphraseRequired):
        change(premises, b"\n")
    with pytest.raises(PassphraseRequired):
        change(premises, None, secrets=Secrets(passphrase=present))
    with pytest.raises(NotInitialised):
        change(empty_premises, b"new")
    with premises.open(), pytest.raises(DataDirectoryInUse):
        change(premises, b"new")

    with premises.open() as office:
        assert office.authority.issue(order_for("web.example"))


def test_key_that_another_passphrase_encrypted_stops_the_change(premises: Premises) -> None:
    keys = premises.directory / "keys"
    stem = min(keys.iterdir()).stem
    KeyFiles(keys, b"another", premises.entropy).put(stem, generate_private_key(KeyType.EC_P256))
    before = {path: path.read_bytes() for path in keys.iterdir()}

    with pytest.raises(WrongPassphrase, match=stem):
        change(premises, b"new")
    assert {path: path.read_bytes() for path in keys.iterdir()} == before


@pytest.mark.slow
def test_change_that_is_killed_anywhere_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every instant at which a file is about to change; each wreck is opened by a server, or by the same command again."""
    monkeypatch.setattr(ca.keys, "_SCRYPT_COST", dying_change.CHEAP_COST)
    script = [sys.executable, "-m", dying_change.__name__, str(tmp_path)]
    runs = subprocess.run(script, check=True, capture_output=True, text=True, timeout=100).stdout.splitlines()

    assert runs[-1].endswith("finished")
    assert len(runs) > 20
    passphrases = set()
    for run in runs:
        instant = int(run.split()[0])
        premises = Premises(directory=tmp_path / str(instant), entropy=CountedEntropy(start=10_000 * (1 + instant)))
        if instant % 3 == 0:
            with contextlib.suppress(InvalidArgument):  # done already
                change(premises, b"the new one" if instant % 2 else b"a third one")
        with premises.open() as office:
            assert office.issuers.active()
            assert office.audit.verify_chain() >= 2
        left = {path.name for path in premises.directory.iterdir()}
        assert not {name for name in left if name.startswith(PENDING)}
        assert len(list((premises.directory / "keys").iterdir())) == 2
        passphrases.add((premises.directory / "passphrase").read_bytes())
    assert len(passphrases) == 3


@pytest.mark.postgresql
def test_keys_in_the_database_are_changed_in_one_transaction(tmp_path: Path, postgresql_url: str) -> None:
    first, second = Premises(directory=tmp_path / "first"), Premises(directory=tmp_path / "second")
    with first.open(database=postgresql_url, secrets=OLD):
        pass

    change(first, b"the new one", secrets=OLD, database=postgresql_url)

    with second.open(database=postgresql_url, secrets=NEW) as office:
        assert office.authority.issue(order_for("web.example"))


@pytest.mark.postgresql
def test_change_that_was_overtaken_by_another_is_thrown_away(
    tmp_path: Path, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Premises(directory=tmp_path / "first"), Premises(directory=tmp_path / "second")
    with first.open(database=postgresql_url, secrets=OLD), second.open(database=postgresql_url, secrets=OLD):
        pass

    def die(*_arguments: object, **_fields: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(KeysAtRest, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            change(first, b"never to count", secrets=OLD, database=postgresql_url)
    change(second, b"the new one", secrets=OLD, database=postgresql_url)

    with first.open(database=postgresql_url, secrets=NEW) as office:
        assert office.issuers.active()
    assert not list(first.directory.glob(f"{PENDING}*"))
