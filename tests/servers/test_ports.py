"""Ports that are given out to servers which bind them later."""

import subprocess
import sys
from pathlib import Path

from tests.servers.ports import free_port

ROOT = Path(__file__).parents[2]


def test_no_port_is_given_out_twice_by_whichever_processes():
    script = "from tests.servers.ports import free_ports; print(*free_ports(400), flush=True); input()"
    others = [
        subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]  # fmt: skip
    own = {free_port() for _ in range(400)}
    lines = [other.stdout.readline() for other in others if other.stdout is not None]
    for other in others:
        other.communicate("\n", timeout=60)
    given = [int(port) for line in lines for port in line.split()]

    assert len(own | set(given)) == 1600
    assert all(10_000 < port < 32_000 for port in own | set(given))
