"""Channels that follow an identity: gRPC reads certificate and key when a channel is made, and never again (grpc#41779).

- Each use begins with a look at the identity; where it has changed since, it goes over a new channel.
- The channel of before is closed when its last use ends, so that no call is cut off.
- What cannot be read, or is half replaced, changes nothing: the channel that there is goes on being used.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ca.client.connection import DEFAULT_TIMEOUT, Address, Connection, Metadata
from ca.client.errors import IdentityInvalid
from ca.client.identity import Identity

LoadIdentity = Callable[[], Identity]
"""The identity as it is now. Raises IdentityInvalid."""


@dataclass(slots=True, kw_only=True)
class _Lease:
    identity: Identity
    connection: Connection
    uses: int = 0


class FollowedConnection:
    """One server, reached with whatever identity there is; may be used by many threads, and closed by its owner."""

    def __init__(
        self,
        address: Address,
        load: LoadIdentity,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        metadata: Metadata | None = None,
    ) -> None:
        """Connects at the first use; `timeout`, in seconds, is that of each call, which `metadata` goes along with."""
        self._metadata = metadata
        self._address = address
        self._load = load
        self._timeout = timeout
        self._lock = threading.Lock()
        self._present: _Lease | None = None

    @classmethod
    def of_directory(
        cls,
        address: Address,
        directory: Path,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        metadata: Metadata | None = None,
    ) -> Self:
        """Follows `tls.crt`, `tls.key` and `ca.crt` of a directory."""
        return cls(address, lambda: Identity.from_directory(directory), timeout=timeout, metadata=metadata)

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """A connection for some calls, or for a stream: not to be kept beyond the block. Raises IdentityInvalid where there
        never was an identity."""
        with self._lock:
            lease = self._follow()
            lease.uses += 1
        try:
            yield lease.connection
        finally:
            with self._lock:
                lease.uses -= 1
                self._close_unused(lease)

    def close(self) -> None:
        """Closes the channel, at once or at the end of its last use."""
        with self._lock:
            former, self._present = self._present, None
            if former is not None:
                self._close_unused(former)

    def _follow(self) -> _Lease:
        try:
            identity = self._load()
        except IdentityInvalid:
            if self._present is None:
                raise
            return self._present
        former = self._present
        if former is not None and former.identity == identity:
            return former
        connection = Connection.mutual_tls(self._address, identity, timeout=self._timeout, metadata=self._metadata)
        self._present = _Lease(identity=identity, connection=connection)
        if former is not None:
            self._close_unused(former)
        return self._present

    def _close_unused(self, lease: _Lease) -> None:
        if lease is not self._present and not lease.uses:
            lease.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
