"""Sessions with the program, as text: commands after `$ `, below each what it printed, and its status where that is not 0.

- What differs from run to run is masked: identifiers, times, fingerprints, tokens, addresses and directories.
- `$ID` is the last identifier that a command printed; it stands for itself in the text.
- `python -m tests.cli.transcript` plays every session again and writes down what was printed.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cli.program import SETTLED, Program, client_variables, serving

SESSIONS = Path(__file__).parent / "transcripts"
_ID = re.compile(r"\b[0-9a-f]{32}\b")
_MASKS: Sequence[tuple[str, str]] = (
    (r"chancery1\.[0-9a-f]{32}\.[\w-]{43}\.[\w-]{43}", "<token>"),
    (r"\b[0-9a-f]{64}\b", "<sha256>"),
    (r"\b[0-9a-f]{40}\b", "<key id>"),
    (r"\b[0-9a-f]{32}\b", "<id>"),
    (r"CA [0-9a-f]{8}\b", "CA <tag>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>"),
    (r"\b(in )?\d+[dhms]( ago)?(?=\)|  |$)", "<span>"),
    (r'"not_after":\d+', '"not_after":<epoch>'),
    (r"\b\d+ valid\b", "<n> valid"),
    (r"^\d+(?= +<time>)", "<n>"),
    (r"localhost:\d+", "localhost:<port>"),
    (r"dns:(?!localhost|[\w.-]*example)[\w.-]+", "dns:<host>"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    command: str
    printed: str


def read_session(text: str) -> tuple[str, list[Step]]:
    """The words above the first command, and the steps."""
    introduction, *rest = re.split(r"^\$ ", text, flags=re.MULTILINE)
    steps = [part.partition("\n") for part in rest]
    return introduction, [Step(command=command, printed=printed.strip("\n")) for command, _, printed in steps]


def play(steps: Sequence[Step], program: Program) -> Iterator[Step]:
    """Runs the commands in one directory, each in a shell, and yields what they print."""
    scripts = Path(sys.executable).parent
    environment = {**os.environ, **SETTLED, **program.environment, "PATH": f"{scripts}:{os.environ['PATH']}"}
    for step in steps:
        done = subprocess.run(
            ["bash", "-c", f"{{ {step.command}\n}} 2>&1"],
            cwd=program.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        found = _ID.findall(done.stdout)
        if found:
            environment["ID"] = found[0]
        status = f"\n[status {done.returncode}]" if done.returncode else ""
        yield Step(command=step.command, printed=(_masked(done.stdout, program) + status).strip("\n"))


def write_session(introduction: str, steps: Sequence[Step]) -> str:
    return introduction + "\n".join(
        f"$ {step.command}\n{step.printed}\n" if step.printed else f"$ {step.command}\n" for step in steps
    )


def _masked(text: str, program: Program) -> str:
    for directory, name in ((program.home, "<home>"), (program.directory, "<here>")):
        text = text.replace(str(directory), name)
    for pattern, name in _MASKS:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return "\n".join(re.sub(r" {2,}", "  ", line).rstrip() for line in text.splitlines())


def _rewrite(program: Program, endpoints: Mapping[str, str]) -> None:
    for path in sorted(SESSIONS.glob("*.txt")):
        directory = program.directory / path.stem
        directory.mkdir()
        introduction, steps = read_session(path.read_text())
        own = Program(home=program.home, directory=directory, variables=client_variables(endpoints))
        path.write_text(write_session(introduction, list(play(steps, own))))


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        program = Program(home=Path(place) / "home", directory=Path(place), variables={})
        program.succeed("init")
        with serving(program) as endpoints:
            _rewrite(program, endpoints)


if __name__ == "__main__":
    main()
