"""Keys of root and issuing CA in a PKCS#11 token (SoftHSM): made there, signing there, never outside."""

import _ssl
import copy
import ctypes
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pkcs11.exceptions import SessionHandleInvalid

from ca.ambient import NO_SECRETS, Secrets
from ca.backup import BackupMaker
from ca.bootstrap import BroughtHierarchy
from ca.crls import CrlPublisher
from ca.errors import Pkcs11Refused, Pkcs11Unavailable, SettingsInvalid
from ca.pkcs11_keys import TokenEcKey, TokenKey, TokenRsaKey
from ca.pkcs11_token import Pkcs11Token
from ca.restoring import Restorer
from ca.settings import ServeSettings
from certs.errors import UnsupportedKeyType
from certs.keys import KeyType, generate_private_key, sign, verify_signature
from tests.ca.hierarchies import authority
from tests.ca.offices import CountedEntropy, Premises, order_for
from tests.ca.rotation.worlds import ADMINISTRATOR, settle
from tests.servers.softhsm import PIN, SoftHsm

pytestmark = pytest.mark.softhsm

TOKEN_TYPES = [KeyType.EC_P256, KeyType.EC_P384, KeyType.EC_P521, KeyType.RSA_2048]


@pytest.fixture
def token(softhsm: SoftHsm) -> Iterator[Pkcs11Token]:
    opened = Pkcs11Token(str(softhsm.module), softhsm.token, PIN, CountedEntropy())
    yield opened
    opened.close()


def as_token_key(key: object) -> TokenKey:
    assert isinstance(key, TokenEcKey | TokenRsaKey)
    return key


@pytest.mark.parametrize("key_type", TOKEN_TYPES)
def test_key_made_in_the_token_signs_and_is_found_again(token: Pkcs11Token, key_type: KeyType) -> None:
    key = as_token_key(token.make(key_type))
    assert token.ids() == []

    token.name(key, "a" * 32)

    assert token.ids() == ["a" * 32]
    found = token.get("a" * 32)
    assert found.public_key() == key.public_key()
    for one in (key, found, copy.copy(found), copy.deepcopy(found)):
        verify_signature(key.public_key(), sign(one, b"octets"), b"octets")


@pytest.mark.parametrize("key_type", TOKEN_TYPES)
def test_key_made_elsewhere_is_taken_in_and_replaces_another(token: Pkcs11Token, key_type: KeyType) -> None:
    for _ in range(2):
        key = generate_private_key(key_type)
        token.take_in(key, "a" * 32)

    verify_signature(key.public_key(), sign(token.get("a" * 32), b"octets"), b"octets")
    assert token.ids() == ["a" * 32]


def test_tls_in_the_thread_that_asks_is_not_told_errors_of_the_module(softhsm: SoftHsm) -> None:
    """OpenSSL keeps a queue of errors for each thread; SoftHSM leaves some there, and a TLS read would raise them."""
    openssl = ctypes.CDLL(_ssl.__file__)
    openssl.ERR_clear_error()

    opened = Pkcs11Token(str(softhsm.module), softhsm.token, PIN, CountedEntropy())
    sign(opened.make(KeyType.EC_P256), b"octets")
    opened.close()

    assert openssl.ERR_peek_error() == 0


def ask_for_private_bytes(key: TokenKey) -> object:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def ask_for_private_numbers(key: TokenKey) -> object:
    return key.private_numbers()


@pytest.mark.parametrize("ask", [ask_for_private_bytes, ask_for_private_numbers])
@pytest.mark.parametrize("key_type", [KeyType.EC_P256, KeyType.RSA_2048])
def test_key_does_not_leave_the_token(token: Pkcs11Token, key_type: KeyType, ask: Callable[[TokenKey], object]) -> None:
    with pytest.raises(UnsupportedAlgorithm, match="stays there"):
        ask(as_token_key(token.make(key_type)))


def test_what_certificates_do_not_need_is_refused(token: Pkcs11Token) -> None:
    curve, modulus = token.make(KeyType.EC_P256), token.make(KeyType.RSA_2048)
    assert isinstance(curve, ec.EllipticCurvePrivateKey)
    assert isinstance(modulus, rsa.RSAPrivateKey)

    with pytest.raises(UnsupportedAlgorithm):
        curve.sign(b"x" * 32, ec.ECDSA(Prehashed(hashes.SHA256())))
    with pytest.raises(UnsupportedAlgorithm):
        curve.exchange(ec.ECDH(), generate_private_key(KeyType.EC_P256).public_key())  # type: ignore[arg-type]  # a P-256 key
    with pytest.raises(UnsupportedAlgorithm):
        modulus.sign(b"x", padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    with pytest.raises(UnsupportedAlgorithm):
        modulus.decrypt(b"x", padding.PKCS1v15())
    with pytest.raises(UnsupportedKeyType, match="ec-p256"):
        token.make(KeyType.ED25519)
    with pytest.raises(UnsupportedKeyType):
        token.take_in(generate_private_key(KeyType.ED25519), "a" * 32)
    with pytest.raises(Pkcs11Refused, match="find the key"):
        token.get("b" * 32)


# The library ends a search in the session that is gone, and complains to nobody.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_session_that_the_token_has_ended_is_opened_again(token: Pkcs11Token, monkeypatch: pytest.MonkeyPatch) -> None:
    key = token.make(KeyType.EC_P256)
    token._session.close()

    verify_signature(key.public_key(), sign(key, b"octets"), b"octets")

    def gone(*_arguments: object) -> bytes:
        raise SessionHandleInvalid

    monkeypatch.setattr(token, "_sign_once", gone)
    with pytest.raises(Pkcs11Unavailable, match="try again"):
        sign(key, b"octets")


@pytest.mark.parametrize("key_type", ["ec-p256", "ec-p384", "rsa-2048"])
def test_authority_has_its_keys_in_the_token(
    empty_premises: Premises,
    softhsm: SoftHsm,
    key_type: str,
) -> None:
    settings = {**softhsm.settings, "key_type": key_type}
    if key_type == "rsa-2048":
        settings["key_type"] = "rsa-3072"  # a root has no smaller one
    with empty_premises.open(**settings) as office:
        issuer = office.issuers.active()
        assert isinstance(issuer.issuer.private_key, TokenEcKey | TokenRsaKey)
        roots = office.issuers.bundle.roots
    assert not (empty_premises.directory / "keys").exists()

    with empty_premises.open(**settings) as office:
        assert office.issuers.bundle.roots == roots
        record = office.authority.issue(order_for("web.example"))
        publisher = CrlPublisher(
            inventory=office.inventory,
            authorities=office.authorities,
            issuers=office.issuers,
            revocations=office.revocations,
            settings=office.settings.issuance,
            clock=office.clock,
        )
        assert publisher.current(office.issuers.active().id, 0).der
        chain, pem = office.issuers.chain_pem(record.issuer_id), office.issuers.bundle.pem
    verify_with_openssl(empty_premises.directory, record.der, chain, pem)


def verify_with_openssl(directory: Path, leaf: bytes, chain: bytes, roots: bytes) -> None:
    for name, content in (("leaf", leaf), ("chain", chain), ("roots", roots)):
        (directory / name).write_bytes(content)
    subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-in", "leaf", "-out", "leaf.pem"], cwd=directory, check=True, timeout=30
    )
    command = [
        "openssl",
        "verify",
        "-x509_strict",
        "-no_check_time",
        "-CAfile",
        "roots",
        "-untrusted",
        "chain",
        "leaf.pem",
    ]
    assert b"OK" in subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=30).stdout


def test_keys_that_were_there_before_the_token_go_on(premises: Premises, softhsm: SoftHsm) -> None:
    with premises.open(**softhsm.settings) as office:
        assert not isinstance(office.issuers.active().issuer.private_key, TokenEcKey)
        assert office.authority.issue(order_for("web.example"))


def test_rotation_leads_from_files_into_the_token(premises: Premises, softhsm: SoftHsm) -> None:
    with premises.open(**softhsm.settings) as office:
        office.rotations.look()
        old = office.issuers.active().id

        office.rotations.start("issuer", "now", ADMINISTRATOR)
        settle(office, premises.clock)

        assert office.issuers.active().id != old
        assert isinstance(office.issuers.active().issuer.private_key, TokenEcKey)
        assert office.authority.issue(order_for("web.example"))
    assert len(list((premises.directory / "keys").iterdir())) == 2


def test_backup_leaves_the_keys_in_the_token(empty_premises: Premises, softhsm: SoftHsm, tmp_path: Path) -> None:
    elsewhere = Premises(directory=tmp_path / "elsewhere", entropy=CountedEntropy(start=9_000_000))
    with empty_premises.open(**softhsm.settings) as office:
        roots = office.issuers.bundle.roots
    world = {"clock": empty_premises.clock, "entropy": empty_premises.entropy, "secrets": NO_SECRETS}

    settings = ServeSettings.from_mapping({"data_directory": empty_premises.directory})
    end = BackupMaker(settings=settings, **world).make(tmp_path / "backup", b"passphrase")
    settings = ServeSettings.from_mapping({"data_directory": elsewhere.directory})
    restored = Restorer(settings=settings, **world).restore(tmp_path / "backup", b"passphrase")

    assert (end.keys, restored.keys_opened) == (0, 0)
    with elsewhere.open(**softhsm.settings) as office:
        assert office.issuers.bundle.roots == roots
        assert office.authority.issue(order_for("web.example"))


def test_own_root_is_brought_into_the_token(empty_premises: Premises, softhsm: SoftHsm) -> None:
    root = authority("Own Root", path_length=1)

    with empty_premises.open(brought=BroughtHierarchy(root=root.pair), **softhsm.settings) as office:
        assert office.authority.issue(order_for("web.example"))
    assert not (empty_premises.directory / "keys").exists()


def test_pin_comes_from_the_environment_too(empty_premises: Premises, softhsm: SoftHsm) -> None:
    settings = {**softhsm.settings, "pkcs11_pin_file": None}

    with empty_premises.open(secrets=Secrets(pkcs11_pin=PIN.encode()), **settings) as office:
        assert office.issuers.active()
    with pytest.raises(Pkcs11Refused, match="CHANCERY_PKCS11_PIN"), empty_premises.open(**settings):
        pass
    assert PIN not in repr(Secrets(pkcs11_pin=PIN.encode()))


def test_wrong_pin_token_and_module_are_told(empty_premises: Premises, softhsm: SoftHsm, tmp_path: Path) -> None:
    (tmp_path / "pin").touch(mode=0o600)
    (tmp_path / "pin").write_text("wrong-pin")
    for change, told in (
        ({"pkcs11_pin_file": str(tmp_path / "pin")}, "lets nobody in.*PIN"),
        ({"pkcs11_token": "no such"}, "no token 'no such'"),
        ({"pkcs11_module": str(tmp_path / "none.so")}, "none.so"),
        ({"pkcs11_module": str(tmp_path / "pin")}, "pkcs11_module"),
    ):
        with pytest.raises(Pkcs11Refused, match=told) as refusal, empty_premises.open(**{**softhsm.settings, **change}):
            pass
        assert "wrong-pin" not in str(refusal.value)


def test_settings_that_contradict_are_told_at_once() -> None:
    with pytest.raises(SettingsInvalid) as refusal:
        ServeSettings.from_mapping({"pkcs11_module": "/x.so", "key_type": "ed25519"})

    assert {fault.partition(":")[0] for fault in refusal.value.faults} == {"pkcs11_token", "key_type"}
