"""Which key a token was shown with, remembered over restarts: a token counts for one key, and a crash must not spend it.

- Written before the token is sent, into the directory that holds the keys that are in use anyway, mode 0600.
- What cannot be read is as good as nothing: the worst is that the next token has to be awaited.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from agent.directories import LARGEST_FILE, PRIVATE_MODE
from agent.replacement import replace_file
from certs.errors import CertsError
from certs.key_files import load_private_key
from certs.key_types import PrivateKey
from certs.keys import encode_private_key

FILE_NAME = "_enrollment.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """`token_sha256` is hexadecimal; `request_id` that of the first request with it, and the beginning of all others."""

    token_sha256: str
    key: PrivateKey
    request_id: str


class TokenKeys:
    """One file, for the token of the time."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME

    def find(self, token_sha256: str) -> TokenKey | None:
        """What is remembered of that token."""
        try:
            with self._path.open("rb") as file:
                kept = json.loads(file.read(LARGEST_FILE))
            if kept["token_sha256"] != token_sha256:
                return None
            key = load_private_key(kept["private_key"].encode())
            return TokenKey(token_sha256=token_sha256, key=key, request_id=str(kept["request_id"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, CertsError):
            return None

    def keep(self, one: TokenKey) -> None:
        """Durable on return. Raises PublishFailed."""
        kept = {
            "token_sha256": one.token_sha256,
            "request_id": one.request_id,
            "private_key": encode_private_key(one.key).decode(),
        }
        replace_file(self._path, json.dumps(kept).encode(), PRIVATE_MODE)
