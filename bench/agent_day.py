"""One agent's day in as long as it takes: the agent of `ca-cli agent`, whose pauses move its clock instead of waiting.

Its certificates last 24 hours by the authority's clock, so the agent's is set back to that after each renewal. Prints JSON.
"""

import json
import re
import resource
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path

from cli import ambient
from cli.commands.agent import make_workload


class Day(threading.Event):
    """Counts the turns of the loop. `offset` is how far the agent's clock is ahead."""

    def __init__(self, turns: int, certificate: Path) -> None:
        super().__init__()
        self.turns, self.offset, self.renewals = turns, timedelta(), -1
        self.at_start: dict[str, float] = {}
        self._certificate, self._inode = certificate, 0

    def wait(self, timeout: float | None = None) -> bool:
        inode = self._certificate.stat().st_ino if self._certificate.exists() else 0
        if inode != self._inode:
            self._inode, self.renewals, self.offset = inode, self.renewals + 1, timedelta()
        if not self.at_start:
            self.at_start = usage()
        self.offset += timedelta(seconds=timeout or 0)
        self.turns -= 1
        return self.turns <= 0


def usage() -> dict[str, float]:
    """MiB resident, now and at most, and seconds of CPU."""
    status = dict(re.findall(r"(VmRSS|VmHWM):\s+(\d+)", Path("/proc/self/status").read_text()))
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "resident": int(status["VmRSS"]) / 1024,
        "most_resident": int(status["VmHWM"]) / 1024,
        "cpu": spent.ru_utime + spent.ru_stime,
    }


def main(url: str, token: str, bootstrap: str, directory: str, formats: str, turns: str) -> None:
    from agent.formats import parse_formats  # noqa: PLC0415 - as late as the command does it

    day = Day(int(turns), Path(directory) / "tls.crt")
    real = ambient.clock

    def clock() -> datetime:
        return real() + day.offset

    ambient.clock = clock
    make_workload(
        server=url,
        token_file=Path(token),
        bootstrap=Path(bootstrap),
        directory=Path(directory),
        key_mode=0o400,
        formats=parse_formats(formats),
        key_type="ec-p256",
        lifetime=None,
        hooks=(),
        stopping=day,
    ).run()
    print(json.dumps({"start": day.at_start, "end": usage(), "renewals": day.renewals}))


if __name__ == "__main__":
    main(*sys.argv[1:])
