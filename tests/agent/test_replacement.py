import stat

import pytest

from agent.errors import CredentialsInvalid, PublishFailed, UnsafePath
from agent.replacement import finish_pair, replace_file, replace_pair

NAMES = {"certificate_name": "tls.crt", "key_name": "tls.key"}


def replace(directory, credentials):
    replace_pair(directory, **NAMES, certificate=credentials.certificate_chain, private_key=credentials.private_key)


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_file_is_replaced_whole_with_its_mode(tmp_path):
    path = tmp_path / "new" / "secret"

    replace_file(path, b"one", 0o600)
    replace_file(path, b"two", 0o640)

    assert contents(path.parent) == {"secret": b"two"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_symlink_is_not_followed(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "link").symlink_to("precious")

    with pytest.raises(UnsafePath, match="symlink"):
        replace_file(tmp_path / "link", b"x", 0o600)

    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_a_directory_in_the_way_is_refused(tmp_path):
    (tmp_path / "taken").mkdir()

    with pytest.raises(PublishFailed, match="move it away"):
        replace_file(tmp_path / "taken", b"x", 0o600)


def test_a_pair_is_replaced(tmp_path, make_credentials):
    first, second = make_credentials(), make_credentials()

    replace(tmp_path, first)
    replace(tmp_path, second)

    assert contents(tmp_path) == {"tls.crt": second.certificate_chain, "tls.key": second.private_key}
    assert stat.S_IMODE((tmp_path / "tls.key").stat().st_mode) == 0o600


def test_a_pair_that_does_not_match_is_never_written(tmp_path, make_credentials):
    first, second = make_credentials(), make_credentials()
    replace(tmp_path, first)

    with pytest.raises(CredentialsInvalid):
        replace_pair(
            tmp_path, **NAMES, certificate=second.certificate_chain, private_key=make_credentials().private_key
        )

    assert contents(tmp_path) == {"tls.crt": first.certificate_chain, "tls.key": first.private_key}


def interrupted(directory, make_credentials):
    """What a crash between the two renames leaves: the new certificate, the old key, the new key waiting."""
    old, new = make_credentials(), make_credentials()
    replace(directory, old)
    (directory / ".tls.key.new").write_bytes(new.private_key)
    (directory / "tls.crt").write_bytes(new.certificate_chain)
    return new


def test_an_interrupted_replacement_is_finished(tmp_path, make_credentials):
    new = interrupted(tmp_path, make_credentials)

    assert finish_pair(tmp_path, **NAMES)

    assert contents(tmp_path) == {"tls.crt": new.certificate_chain, "tls.key": new.private_key}
    assert not finish_pair(tmp_path, **NAMES)


def test_the_next_replacement_starts_from_a_finished_one(tmp_path, make_credentials):
    interrupted(tmp_path, make_credentials)
    third = make_credentials()

    replace(tmp_path, third)

    assert contents(tmp_path) == {"tls.crt": third.certificate_chain, "tls.key": third.private_key}


def test_a_waiting_key_of_an_abandoned_attempt_is_not_taken(tmp_path, make_credentials):
    current = make_credentials()
    replace(tmp_path, current)
    (tmp_path / ".tls.key.new").write_bytes(make_credentials().private_key)

    assert not finish_pair(tmp_path, **NAMES)

    assert (tmp_path / "tls.key").read_bytes() == current.private_key


def test_a_certificate_that_cannot_be_staged_leaves_no_key_behind(tmp_path, make_credentials):
    first = make_credentials()
    replace(tmp_path, first)
    (tmp_path / "tls.crt").unlink()
    (tmp_path / "tls.crt").symlink_to("tls.key")

    with pytest.raises(UnsafePath):
        replace(tmp_path, make_credentials())

    assert (tmp_path / "tls.key").read_bytes() == first.private_key
    assert not (tmp_path / ".tls.key.new").exists()
