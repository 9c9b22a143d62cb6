"""Certificates, keys and CA bundles that are files: read at the start, and again when they change.

- Content decides, not times: a file that is replaced by the same octets changes nothing.
- What cannot be read or used is reported and passed over; the server goes on with what it has.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from apiserver.errors import ApiSettingsInvalid
from apiserver.identity.tls import ServingPair
from apiserver.identity.trust import CaBundle

_LOOK_SECONDS = 2.0

_log = structlog.get_logger("chancery.apiserver.files")


@dataclass(slots=True, kw_only=True)
class WatchedFiles:
    """Files that belong together. `adopt` gets their contents, and raises ApiSettingsInvalid where they are no good."""

    paths: Sequence[Path]
    adopt: Callable[[Sequence[bytes]], None]
    _digest: bytes = b""

    def look(self) -> None:
        """Adopts the contents where they have changed since the last look. Blocks; never raises."""
        try:
            contents = [read_file(path) for path in self.paths]
        except ApiSettingsInvalid as err:
            _log.warning("file not read; going on with what was read before", error=str(err))
            return
        digest = _digest(contents)
        if digest == self._digest:
            return
        try:
            self.adopt(contents)
        except ApiSettingsInvalid as err:
            _log.warning("files changed and cannot be used; going on with the former ones", error=str(err))
            return
        finally:
            known, self._digest = self._digest, digest
        if known:
            _log.info("files changed", files=[str(path) for path in self.paths])


async def keep_looking(watched: Sequence[WatchedFiles], seconds: float = _LOOK_SECONDS) -> None:
    """Until it is cancelled."""
    while True:
        for one in watched:
            await asyncio.to_thread(one.look)
        await asyncio.sleep(seconds)


def read_pair(certificate: Path, private_key: Path) -> ServingPair:
    """Raises ApiSettingsInvalid."""
    return ServingPair(chain=read_file(certificate), private_key=read_file(private_key))


def read_bundle(path: Path) -> CaBundle:
    """Raises ApiSettingsInvalid."""
    return CaBundle.from_pem(read_file(path))


def read_file(path: Path) -> bytes:
    """Raises ApiSettingsInvalid."""
    try:
        return path.expanduser().read_bytes()
    except OSError as err:
        raise ApiSettingsInvalid([f"{path} cannot be read: {(err.strerror or str(err)).lower()}"]) from err


def _digest(contents: Sequence[bytes]) -> bytes:
    return hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in contents)).digest()
