"""Whether an agent is alive, for a kubelet that asks from outside: its loop has turned within `LONGEST_SILENCE`.

- By a clock that no administrator sets. An outage of the authority silences no agent.
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from agent.directories import DIRECTORY_MODE
from agent.errors import HeartbeatMissing

HEARTBEAT_NAME = ".heartbeat"
LONGEST_SILENCE = timedelta(minutes=5)
"""Longer than all calls of one turn of the loop may take together, or one hook, or the pause after them."""

_WIDTH = 24

Monotonic = Callable[[], float]
"""Seconds since an instant that is the same for all processes of a machine; `time.monotonic` on Linux."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A file with one number. Written in place, so that a full disk does not stop it."""

    path: Path
    monotonic: Monotonic

    @classmethod
    def of(cls, directory: Path, monotonic: Monotonic) -> "Heartbeat":
        return cls(path=directory / HEARTBEAT_NAME, monotonic=monotonic)

    def beat(self) -> None:
        """Never fails: a disk that takes nothing more shows as silence."""
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(descriptor, f"{self.monotonic():>{_WIDTH - 1}.3f}\n".encode(), 0)
            finally:
                os.close(descriptor)

    def verify_alive(self) -> None:
        """Raises HeartbeatMissing."""
        try:
            with self.path.open("rb") as file:
                beat = float(file.read(_WIDTH))
        except (OSError, ValueError) as err:
            raise HeartbeatMissing(f"{self.path} holds no heartbeat; is the agent running?") from err
        silence = self.monotonic() - beat
        if not 0 <= silence <= LONGEST_SILENCE.total_seconds():
            raise HeartbeatMissing(f"the agent has been silent for {silence:.0f} s; see its log")
