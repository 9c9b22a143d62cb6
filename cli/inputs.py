"""What a command reads: a file, or standard input for `-`; bounded."""

import sys
from pathlib import Path

from cli.errors import InputInvalid, InputMissing

LARGEST_INPUT = 16 << 20
STANDARD_INPUT = Path("-")


def read_input(path: Path, *, limit: int = LARGEST_INPUT) -> bytes:
    """At most `limit` octets. Raises InputMissing, InputInvalid; OSError for what else keeps a file from being read."""
    try:
        if path == STANDARD_INPUT:
            content = sys.stdin.buffer.read(limit + 1)
        else:
            with path.open("rb") as stream:
                content = stream.read(limit + 1)
    except FileNotFoundError as err:
        raise InputMissing(f"{path} does not exist") from err
    except IsADirectoryError as err:
        raise InputInvalid(f"{path} is a directory; name a file in it") from err
    if len(content) > limit:
        raise InputInvalid(f"{path} is larger than {limit} octets; name the right file")
    return content
