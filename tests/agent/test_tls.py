"""TLS contexts that follow a directory, shown in real handshakes."""

import ssl

import pytest
import trustme

from agent.credentials import Credentials
from agent.errors import CredentialsInvalid
from agent.identity import publish_credentials
from agent.tls import FollowedIdentity, client_context


def credentials(issuer, *trusted) -> Credentials:
    issued = issuer.issue_cert("localhost")
    return Credentials.from_pem(
        certificate_chain=b"".join(blob.bytes() for blob in issued.cert_chain_pems),
        private_key=issued.private_key_pem.bytes(),
        trust_bundle=b"".join(root.cert_pem.bytes() for root in trusted or (issuer,)),
    )


def der_of(one: Credentials) -> bytes:
    return ssl.PEM_cert_to_DER_cert(one.certificate_chain.decode())


def handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> tuple[bytes | None, bytes | None]:
    """What the server and the client showed, through memory. Raises ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    far = server.wrap_bio(to_server, to_client, server_side=True)
    pending = [near, far]
    for _ in range(10):
        for side in list(pending):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            pending.remove(side)
        if not pending:
            return near.getpeercert(binary_form=True), far.getpeercert(binary_form=True)
    raise AssertionError("the handshake does not end")


@pytest.fixture(scope="module")
def root():
    return trustme.CA()


def test_both_sides_use_what_the_directory_holds_at_the_time(root, tmp_path):
    first, second = credentials(root), credentials(root)
    publish_credentials(tmp_path / "tls", first)
    identity = FollowedIdentity(tmp_path / "tls")
    listener = identity.server_context()

    before = handshake(identity.client_context(), listener)
    publish_credentials(tmp_path / "tls", second)
    after = handshake(identity.client_context(), listener)

    assert before == (der_of(first), der_of(first))
    assert after == (der_of(second), der_of(second))


def test_server_trusts_a_new_root_and_forgets_an_old_one(root, tmp_path):
    other = trustme.CA()
    publish_credentials(tmp_path / "tls", credentials(root))
    listener = FollowedIdentity(tmp_path / "tls").server_context()
    old, new = credentials(root), credentials(other, root)

    handshake(client_context(root.cert_pem.bytes(), old), listener)
    publish_credentials(tmp_path / "tls", credentials(root, other))
    handshake(client_context(root.cert_pem.bytes(), new), listener)
    with pytest.raises(ssl.SSLError):
        handshake(client_context(root.cert_pem.bytes(), old), listener)


def test_client_without_a_certificate_is_refused_unless_it_is_welcome(root, tmp_path):
    publish_credentials(tmp_path / "tls", credentials(root))
    identity = FollowedIdentity(tmp_path / "tls")
    nobody = client_context(root.cert_pem.bytes())

    with pytest.raises(ssl.SSLError):
        handshake(nobody, identity.server_context())
    assert handshake(nobody, identity.server_context(clients=ssl.CERT_OPTIONAL))[1] is None
    assert handshake(nobody, identity.server_context(clients=ssl.CERT_NONE))[1] is None


def test_context_is_made_once_for_each_identity(root, tmp_path):
    publish_credentials(tmp_path / "tls", credentials(root))
    identity = FollowedIdentity(tmp_path / "tls")
    first = identity.client_context()

    assert identity.client_context() is first
    publish_credentials(tmp_path / "tls", credentials(root))
    assert identity.client_context() is not first


def test_files_that_do_not_belong_together_change_nothing(root, tmp_path):
    held = credentials(root)
    publish_credentials(tmp_path / "tls", held)
    identity = FollowedIdentity(tmp_path / "tls")
    (tmp_path / "tls" / "tls.crt").unlink()
    (tmp_path / "tls" / "tls.crt").write_bytes(credentials(root).certificate_chain)
    (tmp_path / "tls" / "..data").unlink()

    assert identity.credentials == held
    assert handshake(identity.client_context(), identity.server_context())[0] == der_of(held)


def test_directory_without_an_identity_is_refused(tmp_path):
    with pytest.raises(CredentialsInvalid):
        FollowedIdentity(tmp_path)


def test_contexts_speak_tls_1_3_only(root, tmp_path):
    publish_credentials(tmp_path / "tls", credentials(root))
    identity = FollowedIdentity(tmp_path / "tls")
    old = ssl.create_default_context(cadata=root.cert_pem.bytes().decode())
    old.maximum_version = ssl.TLSVersion.TLSv1_2

    with pytest.raises(ssl.SSLError):
        handshake(old, identity.server_context())
