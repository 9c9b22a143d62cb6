"""The first start and every later one: made or brought once, never made anew, nothing kept of what does not fit."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from structlog.typing import EventDict

from ca.authority_making import AuthorityMaker
from ca.bootstrap import BroughtHierarchy, HierarchyFounder
from ca.errors import (
    AlreadyInitialised,
    AuthorityMismatch,
    DataDirectoryInUse,
    KeyFileMissing,
    LooseFileMode,
    NoActiveIssuer,
    PolicyInvalid,
)
from ca.keys import KeyFiles
from ca.office import Office
from ca.settings import ServeSettings
from certs.errors import PassphraseRequired, WrongPassphrase
from certs.keys import KeyType, PrivateKey, generate_private_key
from store.audit import AuditTrail
from store.authorities import Authorities
from store.database import open_database
from store.errors import StoreCorrupt, StoreExposed
from tests.ca.hierarchies import YEAR, Outsider, authority
from tests.ca.offices import NOW, Premises, order_for


def authorities_of(office: Office) -> list[tuple[str, bytes]]:
    return [(record.profile, record.certificate) for record in office.authorities.list()]


def kept_authorities(premises: Premises) -> int:
    database = open_database(f"sqlite:///{premises.directory / 'chancery.db'}")
    try:
        return len(Authorities(database).list())
    finally:
        database.close()


def test_first_start_makes_root_issuer_passphrase_and_policy(empty_premises: Premises) -> None:
    with empty_premises.open() as office:
        assert office.founded
        (root,) = office.issuers.bundle.roots
        issuer = office.issuers.active().issuer.certificate
        assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 2
        assert issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
        assert timedelta(days=3650) <= root.not_valid_after_utc - NOW <= timedelta(days=3653)
        assert [event.action for event in office.audit.page().items] == ["authority.create"] * 2

    modes = {
        path.relative_to(empty_premises.directory).parts[0]: path.stat().st_mode & 0o777
        for path in empty_premises.directory.rglob("*")
        if path.is_file()
    }
    assert {"passphrase", "policy.yaml", "keys", "chancery.db"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_later_starts_adopt_what_they_find(premises: Premises) -> None:
    with premises.open() as office:
        first = authorities_of(office)
        assert not office.founded

    with premises.open(root_common_name="Another", key_type="ec-p384") as office:
        assert authorities_of(office) == first


class Rival(KeyFiles):
    """Keys of a start that is overtaken once they are kept, and before anything is recorded."""

    overtaken: Callable[[], object]

    def put(self, authority_id: str, key: PrivateKey) -> None:
        super().put(authority_id, key)
        self.overtaken()


def test_start_that_another_one_overtakes_adopts_and_says_nothing_of_what_it_had_made(
    empty_premises: Premises, tmp_path: Path, logs: list[EventDict]
) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'shared.db'}")
    authorities = Authorities(database)
    first, late = (
        HierarchyFounder(
            authorities=authorities,
            keys=kind(tmp_path / name, b"passphrase", empty_premises.entropy),
            maker=AuthorityMaker(
                settings=ServeSettings.from_mapping({}).hierarchy,
                clock=empty_premises.clock,
                entropy=empty_premises.entropy,
                key_factory=generate_private_key,
            ),
        )
        for name, kind in (("first", KeyFiles), ("late", Rival))
    )
    assert isinstance(late.keys, Rival)
    late.keys.overtaken = first.ensure

    assert late.ensure() is False

    kept = {record.id for record in authorities.list()}
    told = [event["id"] for event in logs if event["event"] == "authority"]
    audited = [event.subject_id for event in AuditTrail(database).page().items]
    database.close()
    assert len(kept) == 2
    assert (set(told), len(told)) == (kept, 2)
    assert (set(audited), len(audited)) == (kept, 2)


@pytest.mark.parametrize("key_type", ["ec-p384", "ed25519"])
def test_hierarchy_of_another_key_type_signs(empty_premises: Premises, key_type: str) -> None:
    with empty_premises.open(key_type=key_type) as office:
        assert office.issuers.active().issuer.key_type is KeyType(key_type)
        assert office.authority.issue(order_for("web.example"))


def test_own_root_signs_the_issuing_ca(empty_premises: Premises) -> None:
    root = authority("Own Root", path_length=1)

    with empty_premises.open(brought=BroughtHierarchy(root=root.pair)) as office:
        assert office.issuers.bundle.roots == (root.certificate,)
        assert office.issuers.active().issuer.certificate.issuer == root.certificate.subject
        actions = [event.action for event in office.audit.page().items]
        assert actions == ["authority.create", "authority.import"]


def test_issuing_ca_ends_with_a_short_lived_own_root(empty_premises: Premises) -> None:
    root = authority("Own Root", lifetime=timedelta(days=31))

    with empty_premises.open(brought=BroughtHierarchy(root=root.pair)) as office:
        assert office.issuers.active().issuer.certificate.not_valid_after_utc == root.certificate.not_valid_after_utc


def test_root_can_stay_offline(empty_premises: Premises) -> None:
    root = authority("Offline Root")
    issuer = authority("Own Issuer", issuer=root, path_length=0)

    with empty_premises.open(brought=BroughtHierarchy(root=root.without_key, issuer=issuer.pair)) as office:
        assert office.issuers.active().issuer.certificate == issuer.certificate
        assert office.authority.issue(order_for("web.example"))
    assert len(list((empty_premises.directory / "keys").iterdir())) == 1

    with empty_premises.open() as office:
        assert office.authority.issue(order_for("web.example"))


CLIENTS_ALONE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])


def mismatched() -> BroughtHierarchy:
    root = authority("Root")
    return BroughtHierarchy(root=Outsider(certificate=root.certificate, private_key=authority("x").private_key).pair)


def expired() -> BroughtHierarchy:
    return BroughtHierarchy(root=authority("Root", not_before=NOW - 2 * YEAR, lifetime=YEAR).pair)


def not_yet_valid() -> BroughtHierarchy:
    return BroughtHierarchy(root=authority("Root", not_before=NOW + timedelta(days=1)).pair)


def no_ca() -> BroughtHierarchy:
    return BroughtHierarchy(root=authority("Root", is_ca=False).pair)


def no_room_below() -> BroughtHierarchy:
    return BroughtHierarchy(root=authority("Root", path_length=0).pair)


def not_a_root() -> BroughtHierarchy:
    return BroughtHierarchy(root=authority("Issuer", issuer=authority("Root")).pair)


def root_without_key_or_issuer() -> BroughtHierarchy:
    return BroughtHierarchy(root=authority("Root").without_key)


def issuer_without_key() -> BroughtHierarchy:
    root = authority("Root")
    return BroughtHierarchy(root=root.without_key, issuer=authority("Issuer", issuer=root).without_key)


def issuer_of_another_root() -> BroughtHierarchy:
    issuer = authority("Issuer", issuer=authority("Other Root"))
    return BroughtHierarchy(root=authority("Root").without_key, issuer=issuer.pair)


def issuer_with_a_strangers_key() -> BroughtHierarchy:
    root = authority("Root")
    issuer = authority("Issuer", issuer=root)
    stranger = Outsider(certificate=issuer.certificate, private_key=authority("x").private_key)
    return BroughtHierarchy(root=root.without_key, issuer=stranger.pair)


def issuer_that_is_the_root() -> BroughtHierarchy:
    root = authority("Root")
    return BroughtHierarchy(root=root.without_key, issuer=root.pair)


def expired_issuer() -> BroughtHierarchy:
    root = authority("Root", not_before=NOW - YEAR, lifetime=2 * YEAR)
    issuer = authority("Issuer", issuer=root, not_before=NOW - YEAR, lifetime=timedelta(days=30))
    return BroughtHierarchy(root=root.without_key, issuer=issuer.pair)


def root_for_clients_alone() -> BroughtHierarchy:
    """OpenSSL holds it against servers below it."""
    return BroughtHierarchy(root=authority("Root", extended=CLIENTS_ALONE).pair)


def issuer_for_clients_alone() -> BroughtHierarchy:
    root = authority("Root")
    return BroughtHierarchy(root=root.without_key, issuer=authority("Issuer", issuer=root, extended=CLIENTS_ALONE).pair)


def issuer_that_signs_no_crls() -> BroughtHierarchy:
    root = authority("Root")
    return BroughtHierarchy(root=root.without_key, issuer=authority("Issuer", issuer=root, signs_crls=False).pair)


def issuer_with_the_name_of_its_root() -> BroughtHierarchy:
    root = authority("Root")
    return BroughtHierarchy(root=root.without_key, issuer=authority("Root", issuer=root).pair)


@pytest.mark.parametrize(
    "unfit",
    [
        mismatched,
        expired,
        not_yet_valid,
        no_ca,
        no_room_below,
        not_a_root,
        root_without_key_or_issuer,
        issuer_without_key,
        issuer_of_another_root,
        issuer_with_a_strangers_key,
        issuer_that_is_the_root,
        expired_issuer,
        root_for_clients_alone,
        issuer_for_clients_alone,
        issuer_that_signs_no_crls,
        issuer_with_the_name_of_its_root,
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_of_it_is_kept(
    empty_premises: Premises, unfit: Callable[[], BroughtHierarchy]
) -> None:
    with pytest.raises(AuthorityMismatch), empty_premises.open(brought=unfit()):
        pass

    assert kept_authorities(empty_premises) == 0
    assert not (empty_premises.directory / "keys").exists()


@pytest.mark.parametrize(
    ("unfit", "why"),
    [
        (not_a_root, "'CN=Issuer' is signed by 'CN=Root'; a root is signed by its own key"),
        (issuer_of_another_root, "'CN=Issuer' is signed by 'CN=Other Root'; the root signs the issuing CA itself"),
    ],
)
def test_who_should_have_signed_what_was_brought_is_said(
    empty_premises: Premises, unfit: Callable[[], BroughtHierarchy], why: str
) -> None:
    with pytest.raises(AuthorityMismatch, match=why), empty_premises.open(brought=unfit()):
        pass


def test_after_a_refusal_the_right_one_can_be_brought(empty_premises: Premises) -> None:
    with pytest.raises(AuthorityMismatch), empty_premises.open(brought=no_room_below()):
        pass

    with empty_premises.open(brought=BroughtHierarchy(root=authority("Good Root").pair)) as office:
        assert office.authority.issue(order_for("web.example"))


def test_what_is_there_is_not_taken_for_what_is_brought_later(empty_premises: Premises) -> None:
    root, other = authority("Own Root"), authority("Other Root")
    issuer = authority("Own Issuer", issuer=root, path_length=0)
    brought = BroughtHierarchy(root=root.without_key, issuer=issuer.pair)
    with empty_premises.open(brought=brought):
        pass
    with empty_premises.open(brought=brought) as office:
        assert not office.founded

    other_issuer = authority("Next Issuer", issuer=root, path_length=0)
    for late in (BroughtHierarchy(root=other.pair), BroughtHierarchy(root=root.without_key, issuer=other_issuer.pair)):
        with pytest.raises(AlreadyInitialised, match="is not of it"), empty_premises.open(brought=late):
            pass


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_start_that_was_killed_half_way_is_made_good_by_the_next(
    empty_premises: Premises, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ends after so many of the three durable steps: root key, issuer key, both records."""
    done = 0
    with monkeypatch.context() as patched:

        def ending(step: Callable[..., object]) -> Callable[..., object]:
            def run(*arguments: object) -> object:
                nonlocal done
                if done == steps:
                    raise KilledError
                done += 1
                return step(*arguments)

            return run

        patched.setattr(KeyFiles, "put", ending(KeyFiles.put))
        patched.setattr(Authorities, "establish", ending(Authorities.establish))
        with pytest.raises(KilledError), empty_premises.open():
            pass

    assert kept_authorities(empty_premises) == 0
    with empty_premises.open() as office:
        assert office.founded
        assert [profile for profile, _ in authorities_of(office)] == ["root", "intermediate"]
        assert office.authority.issue(order_for("web.example"))


def test_replica_that_comes_second_adopts_what_the_first_made(
    empty_premises: Premises, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both look before either has recorded anything."""
    with empty_premises.open() as office:
        made = authorities_of(office)
        keys = KeyFiles(empty_premises.directory / "keys", b"passphrase", office.entropy)
        second = HierarchyFounder(
            authorities=office.authorities,
            keys=keys,
            maker=AuthorityMaker(
                settings=office.settings.hierarchy,
                clock=office.clock,
                entropy=office.entropy,
                key_factory=office.key_factory,
            ),
        )
        with monkeypatch.context() as patched:
            patched.setattr(Authorities, "list", lambda _self: ())
            assert not second.ensure()

        assert authorities_of(office) == made


def test_lost_issuer_key_is_not_made_anew(premises: Premises) -> None:
    with premises.open() as office:
        issuer_id, before = office.issuers.active().id, authorities_of(office)
    (premises.directory / "keys" / f"{issuer_id}.pem").unlink()

    with premises.open() as office:
        assert authorities_of(office) == before
        with pytest.raises(NoActiveIssuer, match="restore its key from a backup"):
            office.authority.issue(order_for("web.example"))


def test_strangers_key_in_place_of_the_issuers_stops_the_start(premises: Premises) -> None:
    with premises.open() as office:
        issuer_id = office.issuers.active().id
    passphrase = (premises.directory / "passphrase").read_bytes().strip()
    KeyFiles(premises.directory / "keys", passphrase, premises.entropy).put(
        issuer_id, generate_private_key(KeyType.EC_P256)
    )

    with pytest.raises(AuthorityMismatch, match=issuer_id), premises.open():
        pass


def test_wrong_passphrase_stops_the_start(premises: Premises) -> None:
    (premises.directory / "passphrase").write_bytes(b"another\n")

    with pytest.raises(WrongPassphrase, match=str(premises.directory / "passphrase")), premises.open():
        pass


def test_lost_passphrase_is_not_made_anew(premises: Premises) -> None:
    passphrase = premises.directory / "passphrase"
    elsewhere = passphrase.rename(premises.directory.with_name("elsewhere"))

    with pytest.raises(KeyFileMissing, match="passphrase"), premises.open():
        pass
    assert not passphrase.exists()
    with premises.open(passphrase_file=elsewhere) as office:
        assert office.authority.issue(order_for("web.example"))


def test_named_passphrase_file_may_be_its_groups_to_read(premises: Premises, tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes((premises.directory / "passphrase").read_bytes())
    path.chmod(0o440)

    with premises.open(passphrase_file=path) as office:
        assert office.issuers.active()


def test_passphrase_beside_the_keys_is_its_owners_alone(premises: Premises) -> None:
    (premises.directory / "passphrase").chmod(0o640)

    with pytest.raises(LooseFileMode), premises.open():
        pass


def test_passphrase_file_must_be_there_private_and_not_empty(empty_premises: Premises, tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    with pytest.raises(KeyFileMissing), empty_premises.open(passphrase_file=path):
        pass
    path.write_bytes(b"secret")
    path.chmod(0o644)
    with pytest.raises(LooseFileMode), empty_premises.open(passphrase_file=path):
        pass
    path.write_bytes(b"\n")
    path.chmod(0o600)
    with pytest.raises(PassphraseRequired), empty_premises.open(passphrase_file=path):
        pass


def test_policy_with_faults_stops_the_start(premises: Premises) -> None:
    (premises.directory / "policy.yaml").write_text("kind: Nothing")

    with pytest.raises(PolicyInvalid), premises.open():
        pass


def test_policy_that_is_there_is_not_replaced(premises: Premises) -> None:
    policy = premises.directory / "policy.yaml"
    policy.write_text(policy.read_text() + "# mine\n")

    with premises.open() as office:
        assert office.policy().document.endswith("# mine\n")


def test_second_server_on_one_data_directory_is_refused(premises: Premises) -> None:
    with (
        premises.open() as office,
        pytest.raises(DataDirectoryInUse, match="stop it first"),
        Premises(directory=premises.directory).open(),
    ):
        pass
    assert office.founded is False


def test_database_that_others_may_read_stops_the_start(premises: Premises) -> None:
    (premises.directory / "chancery.db").chmod(0o644)

    with pytest.raises(StoreExposed, match="chmod"), premises.open():
        pass


@pytest.mark.parametrize("damage", ["header", "whole"])
def test_corrupt_database_stops_the_start_and_stays_as_it_is(premises: Premises, damage: str) -> None:
    path = premises.directory / "chancery.db"
    content = path.read_bytes()
    damaged = b"\xff" * (100 if damage == "header" else len(content)) + content[100 if damage == "header" else None :]
    path.write_bytes(damaged if damage == "header" else b"\xff" * len(content))
    left = path.read_bytes()

    with pytest.raises(StoreCorrupt, match="backup"), premises.open():
        pass
    assert path.read_bytes() == left
