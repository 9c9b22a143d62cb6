"""An identity as a directory: tls.crt, tls.key and ca.crt, read as one and published as one."""

from pathlib import Path

from agent.credentials import FILE_NAMES, Credentials
from agent.errors import CredentialsInvalid
from agent.files import publish_files, read_published


def load_credentials(directory: Path) -> Credentials:
    """The credentials that `directory` holds, all of one publication. Raises CredentialsInvalid."""
    if not directory.is_dir():
        raise CredentialsInvalid(f"{directory} is not a directory; sign first, or name the directory of an identity")
    chain, private_key, trust_bundle = read_published(directory, FILE_NAMES)
    return Credentials.from_pem(certificate_chain=chain, private_key=private_key, trust_bundle=trust_bundle)


def publish_credentials(directory: Path, credentials: Credentials) -> None:
    """Makes `credentials` what `directory` holds, at once and durable on return; see `agent.files.publish_files`."""
    publish_files(directory, credentials.files())
