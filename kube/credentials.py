"""Credentials for the cluster, read anew where they are not taken any more: a token that was replaced, a CA that changed.

- Shared by all who talk to one cluster: whoever finds them refused renews them for everybody, and not more often than every
  few seconds.
"""

import threading
import time
from collections.abc import Callable

import structlog

from kube.ambient import Monotonic
from serving.kubeconfig import ApiServerAccess, KubeconfigInvalid

_SECONDS_BETWEEN_READINGS = 5.0

_log = structlog.get_logger("chancery.kube")


class Credentials:
    """The access that there is, and how to read it anew; shared by all who talk to one cluster."""

    def __init__(self, read: Callable[[], ApiServerAccess], *, monotonic: Monotonic = time.monotonic) -> None:
        """Raises what `read` raises."""
        self._read = read
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._renewed_at = -_SECONDS_BETWEEN_READINGS
        self.access = read()

    def renew(self, refused: ApiServerAccess) -> ApiServerAccess | None:
        """Another access than the one that was refused; None where there is none, or where it was just read."""
        with self._lock:
            if self.access is not refused:
                return self.access
            if self._monotonic() - self._renewed_at < _SECONDS_BETWEEN_READINGS:
                return None
            self._renewed_at = self._monotonic()
            try:
                self.access = self._read()
            except KubeconfigInvalid as err:
                _log.warning("credentials for the cluster cannot be read anew", error=str(err))
                return None
            _log.info("credentials for the cluster were read anew")
            return self.access

    def close(self) -> None:
        self.access.close()
