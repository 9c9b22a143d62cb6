"""An agent beside a pod: what it holds and what it spends in a day of 1,440 looks at the trust bundle and its renewals.

- `ca-cli serve` and the agent in processes of their own; each look is a TLS handshake with its certificate.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.figures import Figure, Finding, Skipped
from bench.servers import authority, command_line
from ca.client.authority import CaClient
from ca.client.identity import Identity
from certs.names import SubjectAlternativeNames, SubjectName

SECTION = "agent beside a pod"
TURNS_OF_A_DAY = 1440
_BUDGET_MEBIBYTES = 40


def measure(*, quick: bool) -> list[Finding]:
    program = command_line()
    if program is None:
        return [Skipped(section=SECTION, name="everything", reason="ca-cli is not installed beside this Python")]
    turns = 120 if quick else TURNS_OF_A_DAY
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        with authority(program, directory, core=None) as server:
            administrator = Identity.from_directory(server.identity)
            (directory / "ca.crt").write_bytes(administrator.roots_pem)
            findings: list[Finding] = []
            for formats in ("pem,bundle", "pem,bundle,pkcs12,jks"):
                with CaClient.connect(server.target.replace("127.0.0.1", "localhost"), administrator) as client:
                    names = SubjectAlternativeNames.parse(uris=("spiffe://cluster.local/ns/shop/sa/web",))
                    token = client.administration.create_token(
                        profile="workload", subject=SubjectName(), names=names
                    ).secret
                (directory / "token").write_text(token)
                findings += _day(directory, server.url.replace("127.0.0.1", "localhost"), formats, turns)
            return findings


def _day(directory: Path, url: str, formats: str, turns: int) -> list[Finding]:
    files = (directory / "token", directory / "ca.crt", directory / formats.replace(",", "-"))
    command = [sys.executable, "-m", "bench.agent_day", url, *map(str, files), formats, str(turns)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    told = json.loads(done.stdout)
    start, end = told["start"], told["end"]
    per_day = (end["cpu"] - start["cpu"]) * TURNS_OF_A_DAY / turns
    return [
        Figure(
            section=SECTION,
            name=f"resident at most, {formats}",
            value=end["most_resident"],
            unit="MiB",
            budget=_BUDGET_MEBIBYTES,
            note=f"{start['resident']:.1f} at the first look, {end['resident']:.1f} after {turns}; {told['renewals']} renewals",
        ),
        Figure(
            section=SECTION,
            name=f"CPU of a day, {formats}",
            value=per_day,
            unit="s",
            note=f"{per_day / 86400:.4%} of a core; measured over {turns} looks; {start['cpu']:.2f} s to start",
        ),
    ]
