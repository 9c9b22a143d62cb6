"""The passphrase of the CA keys: by which ways it comes, and what is said where it is lost or wrong."""

from pathlib import Path

import pytest

from ca.ambient import Secrets
from ca.errors import LooseFileMode, Misconfigured, PassphraseLost
from ca.passphrase import find_passphrase
from ca.settings import ServeSettings
from certs.errors import PassphraseRequired, WrongPassphrase
from tests.ca.offices import Premises, order_for


def given_to(premises: Premises) -> bytes:
    """The passphrase that lies beside the keys, no longer there."""
    path = premises.directory / "passphrase"
    passphrase = path.read_bytes().strip()
    path.unlink()
    return passphrase


def test_variable_opens_the_keys(premises: Premises) -> None:
    passphrase = given_to(premises)

    with premises.open(secrets=Secrets(passphrase=passphrase)) as office:
        assert office.authority.issue(order_for("web.example"))
        assert office.passphrase_source == "CHANCERY_PASSPHRASE"
    assert not (premises.directory / "passphrase").exists()


def test_first_start_with_the_variable_makes_no_passphrase(empty_premises: Premises) -> None:
    with empty_premises.open(secrets=Secrets(passphrase=b"from the environment")):
        pass

    assert not (empty_premises.directory / "passphrase").exists()
    with pytest.raises(PassphraseLost), empty_premises.open():
        pass


def test_file_that_is_named_wins_over_the_variable(premises: Premises, tmp_path: Path) -> None:
    path = tmp_path / "named"
    path.touch(mode=0o600)
    path.write_bytes(given_to(premises))

    with premises.open(passphrase_file=path, secrets=Secrets(passphrase=b"another")) as office:
        assert office.passphrase_source == str(path)


def test_secret_of_kubernetes_is_read_through_its_links(premises: Premises, tmp_path: Path) -> None:
    """As kubelet mounts one for a process that is not root: a link to a link, 0440, the volume's group."""
    (tmp_path / "volume" / "..2026").mkdir(parents=True)
    secret = tmp_path / "volume" / "..2026" / "passphrase"
    secret.write_bytes(given_to(premises))
    secret.chmod(0o440)
    (tmp_path / "volume" / "..data").symlink_to("..2026")
    (tmp_path / "volume" / "passphrase").symlink_to("..data/passphrase")

    with premises.open(passphrase_file=tmp_path / "volume" / "passphrase") as office:
        assert office.issuers.active()


def test_secret_that_the_world_may_read_is_refused(premises: Premises, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(given_to(premises))
    (tmp_path / "secret").chmod(0o444)

    with pytest.raises(LooseFileMode, match="chmod 0640"), premises.open(passphrase_file=tmp_path / "secret"):
        pass


@pytest.mark.parametrize("named", [True, False])
def test_lost_passphrase_says_where_it_was_looked_for(premises: Premises, tmp_path: Path, named: bool) -> None:
    given_to(premises)
    place = tmp_path / "lost" if named else premises.directory / "passphrase"

    with (
        pytest.raises(PassphraseLost, match=f"is not in {place}: there is no such file") as lost,
        premises.open(**({"passphrase_file": place} if named else {})),
    ):
        pass
    assert "\n" not in str(lost.value)


def test_directory_in_place_of_the_passphrase_is_told(premises: Premises, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir(mode=0o600)

    with pytest.raises(Misconfigured, match="is a directory"), premises.open(passphrase_file=tmp_path / "secret"):
        pass


def test_wrong_passphrase_says_which_it_was(premises: Premises) -> None:
    given_to(premises)

    with (
        pytest.raises(WrongPassphrase, match="CHANCERY_PASSPHRASE does not open the CA keys") as wrong,
        premises.open(secrets=Secrets(passphrase=b"correct horse")),
    ):
        pass
    assert "correct horse" not in str(wrong.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"x" * 20_000])
def test_empty_or_enormous_passphrase_is_refused(tmp_path: Path, content: bytes) -> None:
    settings = ServeSettings.from_mapping({"data_directory": tmp_path})
    (tmp_path / "passphrase").touch(mode=0o600)
    (tmp_path / "passphrase").write_bytes(content)

    with pytest.raises(PassphraseRequired):
        find_passphrase(settings, None)


def test_passphrases_are_not_in_what_is_printed() -> None:
    assert "horse" not in repr(Secrets(passphrase=b"correct horse"))
