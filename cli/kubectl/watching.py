"""A watch in the authority's pod that outlives the command there, the connection to it, and the pod itself.

- In the pod a command ends with its administrator's certificate, after an hour, so that none is left there for good by who hung up.
  Here it is begun again, after the last certificate that was shown.
- It is not begun again where it never began to work.
"""

import codecs
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from cli import ambient
from cli.commands.list_ import CURSOR_MARK
from cli.exit_codes import ExitCode
from cli.kubectl.errand import Errand, Sink
from cli.output import notice

_CURSOR = "--resume-cursor="
_LAST_WORDS = ("ca-cli: error: ", "hint: ")
_SETTLED = timedelta(minutes=1)
_LONGEST_PAUSE = 30.0
_KILLED = {137, 143}
"""A pod that went away, with a container that was told to end before."""


def watch(
    errand: Errand, command: Sequence[str], options: Sequence[str], *, pause: Callable[[float], None] = time.sleep
) -> int:
    """The exit status of what cannot be begun again. Raises as `Errand.run`."""
    from kube.errors import KubeError, NotThere, Retryable

    cursors, waits = Cursors(), 1.0
    while True:
        began = ambient.clock()
        try:
            status = errand.run(command, [*_after(cursors.last, options), "--report-cursors"], errors=cursors.reading)
        except KubeError as err:
            cursors.tell()
            if not isinstance(err, (Retryable, NotThere)) or not _worked(cursors, began):
                raise
            notice(f"{err}; watching again in {waits:.0f} s")
        else:
            if status == ExitCode.DENIED and ambient.clock() - began > _SETTLED:
                cursors.held.clear()  # that the hour is over
                waits = 1.0
                continue
            cursors.tell()
            if status not in {ExitCode.UNAVAILABLE, *_KILLED} or not _worked(cursors, began):
                return status
            notice(f"the command in the pod ended with status {status}; watching again in {waits:.0f} s")
        waits = 1.0 if ambient.clock() - began > _SETTLED else waits
        pause(waits)
        waits = min(2 * waits, _LONGEST_PAUSE)
        errand.look_again()


def _worked(cursors: "Cursors", began: datetime) -> bool:
    return bool(cursors.last) or ambient.clock() - began > _SETTLED


def _after(cursor: str, options: Sequence[str]) -> Sequence[str]:
    if not cursor:
        return options
    return [*(one for one in options if not one.startswith(_CURSOR)), f"{_CURSOR}{cursor}"]


class Cursors:
    """Takes cursors out of what the command in the pod writes to standard error. The rest goes on, a line at a time, but for the
    words with which it ends: those are held until they are to be told."""

    def __init__(self) -> None:
        self.last = ""
        self.held: list[str] = []
        self._sink: Sink | None = None

    def tell(self) -> None:
        if self._sink is not None:
            for line in self.held:
                self._sink(f"{line}\n".encode())
        self.held.clear()

    def reading(self, sink: Sink) -> Sink:
        """Of one command; what it leaves unfinished is lost with it."""
        self._sink = sink
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        begun = ""

        def read(octets: bytes) -> None:
            nonlocal begun
            *lines, begun = (begun + decoder.decode(octets)).split("\n")
            for line in lines:
                if line.startswith(CURSOR_MARK):
                    self.last = line.removeprefix(CURSOR_MARK).strip()
                elif line.startswith(_LAST_WORDS):
                    self.held.append(line)
                else:
                    sink(f"{line}\n".encode())

        return read
