"""Where other authorities are: below the directory that CHANCERY_TEST_PEERS names, else where scripts/build_peers.sh puts them.

- A directory for each, named by what its go.mod says.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

VARIABLE = "CHANCERY_TEST_PEERS"
_HERE = Path(__file__).parent


def peers_directory(environment: Mapping[str, str]) -> Path:
    home = Path(environment.get("HOME") or "/nonexistent")
    cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    return Path(environment.get(VARIABLE) or cache / "chancery" / "peers")


def programs_of(peer: str) -> Path:
    """The directory of its programs. Skips the test where they are not."""
    digest = hashlib.sha256((_HERE / peer / "go.mod").read_bytes()).hexdigest()[:16]
    found = peers_directory(os.environ) / f"{peer}-{digest}"
    if not found.is_dir():
        pytest.skip(f"no {found}: run scripts/build_peers.sh")
    return found
