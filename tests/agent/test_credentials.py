import pytest

from agent.credentials import Credentials
from agent.errors import CredentialsInvalid
from agent.identity import load_credentials, publish_credentials


def test_credentials_published_are_the_credentials_loaded(tmp_path, make_credentials):
    credentials = make_credentials()

    publish_credentials(tmp_path / "identity", credentials)

    assert load_credentials(tmp_path / "identity") == credentials


def test_the_key_does_not_show_in_the_representation(make_credentials):
    assert "PRIVATE" not in repr(make_credentials())


def test_a_key_of_another_certificate_is_refused(make_credentials):
    one, other = make_credentials(), make_credentials()

    with pytest.raises(CredentialsInvalid, match="not the certificate's"):
        Credentials.from_pem(certificate_chain=one.certificate_chain, private_key=other.private_key)


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_an_unreadable_certificate_is_refused(content, make_credentials):
    with pytest.raises(CredentialsInvalid, match="certificate cannot be read"):
        Credentials.from_pem(certificate_chain=content, private_key=make_credentials().private_key)


@pytest.mark.parametrize("content", [b"", b"garbage"])
def test_an_unreadable_key_is_refused(content, make_credentials):
    with pytest.raises(CredentialsInvalid, match="private key cannot be read"):
        Credentials.from_pem(certificate_chain=make_credentials().certificate_chain, private_key=content)


def test_a_missing_directory_says_what_to_do(tmp_path):
    with pytest.raises(CredentialsInvalid, match="sign first"):
        load_credentials(tmp_path / "absent")


def test_a_directory_without_the_files_says_what_to_do(tmp_path):
    with pytest.raises(CredentialsInvalid, match="sign or renew first"):
        load_credentials(tmp_path)
