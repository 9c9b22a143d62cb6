"""The client's pieces that need no server: addresses, statuses, identities, pins."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from ca.client import errors
from ca.client.connection import Address
from ca.client.identity import Identity
from ca.client.pinning import parse_fingerprint, select_pinned_root
from ca.client.statuses import status_error
from certs.errors import MalformedInput
from certs.fingerprints import certificate_fingerprint
from certs.keys import KeyType, encode_private_key, generate_private_key
from certs.pem import encode_certificate
from tests.ca.client.outsider import self_signed

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("ca.example.com", "ca.example.com", 8112),
        ("ca.example.com:1", "ca.example.com", 1),
        ("10.0.0.7:65535", "10.0.0.7", 65535),
        ("[fd00::7]", "fd00::7", 8112),
        ("[::1]:8112", "::1", 8112),
    ],
)
def test_address_is_a_host_and_perhaps_a_port(text: str, host: str, port: int) -> None:
    assert Address.from_text(text, default_port=8112) == Address(host=host, port=port)


@pytest.mark.parametrize(
    "text", ["", ":1", "a:0", "a:65536", "a:b", "a b", "::1", "[::1", "unix:/x", "dns:///a", "a:1:2"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(errors.AddressInvalid):
        Address.from_text(text, default_port=8112)


@given(st.text())
def test_any_text_is_an_address_that_reads_back_or_is_refused(text: str) -> None:
    try:
        address = Address.from_text(text, default_port=8112)
    except errors.AddressInvalid:
        return

    assert Address.from_text(str(address), default_port=1) == address


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK], ids=str)
def test_every_status_becomes_an_error_that_carries_the_servers_reason(code: grpc.StatusCode) -> None:
    detail = Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason="POLICY_DENIED", metadata={"rule": "r"}))

    error = status_error(status_pb2.Status(code=code.value[0], message="no", details=[detail]))

    assert isinstance(error, errors.CallFailed)
    assert (str(error), error.reason, error.status) == ("no", "POLICY_DENIED", code.name)
    assert error.metadata == {"rule": "r"}


def test_status_that_nobody_knows_is_the_servers_fault() -> None:
    assert isinstance(status_error(status_pb2.Status(code=999, message="?")), errors.CallBroken)


def test_fingerprint_is_read_however_tools_write_it() -> None:
    digits = "ab" * 32
    colons = ":".join(["AB"] * 32)

    assert parse_fingerprint(digits) == parse_fingerprint(f"SHA256:{colons}") == parse_fingerprint(f"sha256={digits}\n")


@pytest.mark.parametrize("text", ["", "ab", "ab" * 20, "zz" * 32, "ab" * 33])
def test_what_is_no_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(MalformedInput):
        parse_fingerprint(text)


def test_only_the_pinned_root_is_kept() -> None:
    pinned, _ = self_signed("pinned", at=NOW)
    other, _ = self_signed("other", at=NOW)
    shown = encode_certificate(other) + encode_certificate(pinned)

    assert select_pinned_root(shown, certificate_fingerprint(pinned), source="x") == encode_certificate(pinned)


def test_foreign_roots_and_garbage_are_not_trusted() -> None:
    pinned, _ = self_signed("pinned", at=NOW)
    other, _ = self_signed("other", at=NOW)

    with pytest.raises(errors.FingerprintMismatch, match=certificate_fingerprint(other).hex()):
        select_pinned_root(encode_certificate(other), certificate_fingerprint(pinned), source="x")
    with pytest.raises(errors.RootsInvalid):
        select_pinned_root(b"<html>", certificate_fingerprint(pinned), source="x")


def test_identity_is_a_pair_or_none(tmp_path: Path) -> None:
    certificate, key = self_signed("me", at=NOW)
    pem = encode_certificate(certificate)
    for name, content in (("tls.crt", pem), ("tls.key", encode_private_key(key)), ("ca.crt", pem)):
        (tmp_path / name).write_bytes(content)
    identity = Identity.from_directory(tmp_path)
    (tmp_path / "tls.key").write_bytes(encode_private_key(generate_private_key(KeyType.EC_P256)))

    assert identity.certificate == certificate
    assert "PRIVATE KEY" not in repr(identity)
    with pytest.raises(errors.IdentityInvalid, match="does not belong"):
        Identity.from_directory(tmp_path)


@pytest.mark.parametrize("missing", ["tls.crt", "tls.key", "ca.crt"])
def test_identity_with_a_part_missing_names_it(tmp_path: Path, missing: str) -> None:
    certificate, key = self_signed("me", at=NOW)
    pem = encode_certificate(certificate)
    for name, content in (("tls.crt", pem), ("tls.key", encode_private_key(key)), ("ca.crt", pem)):
        if name != missing:
            (tmp_path / name).write_bytes(content)

    with pytest.raises(errors.IdentityInvalid, match=missing):
        Identity.from_directory(tmp_path)


def test_identity_knows_when_it_ends() -> None:
    certificate, key = self_signed("me", at=NOW)
    pem = encode_certificate(certificate)
    identity = Identity.from_pem(chain_pem=pem, private_key_pem=encode_private_key(key), roots_pem=pem)

    identity.verify_current(NOW)
    with pytest.raises(errors.IdentityInvalid, match="expired"):
        identity.verify_current(NOW + timedelta(days=2))
    with pytest.raises(errors.IdentityInvalid, match="clock"):
        identity.verify_current(NOW - timedelta(days=2))
