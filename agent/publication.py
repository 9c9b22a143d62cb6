"""The files that an identity is published as, all of one set: PEM for most, one file for some, key stores for Java.

- tls.crt, tls.key, ca.crt and identity.json are always there; what else, is asked for.
- Key stores have the password in keystore.password, which stays the same from one publication to the next. It is no
  secret beside them: the mode of the files is what protects the key.
- Trust stores hold every root of the bundle, the old ones and the new ones of a rotation.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from agent.credentials import Credentials
from agent.directories import PRIVATE_MODE, PublishedFile
from agent.errors import CredentialsInvalid, PublishFailed
from agent.files import publish_files, read_published
from agent.formats import Format
from agent.schedule import Clock
from certs.errors import CertsError
from certs.serials import Entropy

BUNDLE_NAME = "bundle.pem"
IDENTITY_NAME = "identity.json"
PASSWORD_NAME = "keystore.password"  # noqa: S105  the name of a file
SHARED_DIRECTORY_MODE = 0o755
"""As a kubelet has it: the files have modes of their own, and other users may need the certificates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """How one directory is filled. `key_mode` is the mode of every file that holds the key."""

    directory: Path
    formats: frozenset[Format]
    clock: Clock
    entropy: Entropy
    key_mode: int = PRIVATE_MODE
    directory_mode: int = SHARED_DIRECTORY_MODE

    def publish(self, credentials: Credentials) -> None:
        """All files at once, durable on return. Raises PublishFailed, in which case those of before stand."""
        try:
            files = self._files(credentials)
        except (CertsError, ValueError, TypeError) as err:
            raise PublishFailed(f"the identity cannot be written as {self._asked()}: {err}") from err
        publish_files(self.directory, files, directory_mode=self.directory_mode)

    def _asked(self) -> str:
        return ", ".join(sorted(self.formats))

    def _files(self, credentials: Credentials) -> list[PublishedFile]:
        files = [
            PublishedFile(name=file.name, content=file.content, mode=self.key_mode)
            if file.mode == PRIVATE_MODE
            else file
            for file in credentials.files()
        ]
        files.append(PublishedFile.public(IDENTITY_NAME, _description(credentials)))
        if Format.BUNDLE in self.formats:
            files.append(self._private(BUNDLE_NAME, credentials.private_key + credentials.certificate_chain))
        if any(one.has_password for one in self.formats):
            files += self._key_stores(credentials, self._password())
        return files

    def _key_stores(self, credentials: Credentials, password: str) -> list[PublishedFile]:
        from agent.keystores import encode_key_stores  # noqa: PLC0415  memory that few need

        stores = encode_key_stores(credentials, password, self.formats, now=self.clock(), entropy=self.entropy)
        return [
            self._private(PASSWORD_NAME, password.encode()),
            *(self._private(name, content) for name, content in stores.keys.items()),
            *(PublishedFile.public(name, content) for name, content in stores.roots.items()),
        ]

    def _password(self) -> str:
        try:
            (content,) = read_published(self.directory, [PASSWORD_NAME])
        except CredentialsInvalid:
            content = b""
        kept = content.decode("ascii", "replace").strip()
        return kept if kept.isascii() and kept.isprintable() and kept else self.entropy(24).hex()

    def _private(self, name: str, content: bytes) -> PublishedFile:
        return PublishedFile(name=name, content=content, mode=self.key_mode)


def _description(credentials: Credentials) -> bytes:
    """Who this is and until when, for people and programs that parse no certificates."""
    leaf = credentials.leaf
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    uris: Sequence[str] = names.get_values_for_type(x509.UniformResourceIdentifier)
    description = {
        "spiffe_id": next((uri for uri in uris if uri.startswith("spiffe://")), ""),
        "dns_names": list(names.get_values_for_type(x509.DNSName)),
        "subject": leaf.subject.rfc4514_string(),
        "serial_number": f"{leaf.serial_number:032x}",
        "not_before_time": f"{credentials.not_before:%Y-%m-%dT%H:%M:%SZ}",
        "not_after_time": f"{credentials.not_after:%Y-%m-%dT%H:%M:%SZ}",
        "sha256_fingerprint": credentials.fingerprint.hex(),
    }
    return json.dumps(description, indent=2).encode() + b"\n"
