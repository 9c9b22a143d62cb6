"""What the tests of `certs` share: one private key of each type for the whole run, a counted entropy, and OpenSSL as a peer."""

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from certs.keys import KeyType, PrivateKey, generate_private_key

OpenSsl = Callable[..., str]


@pytest.fixture(scope="session")
def private_key() -> Callable[[KeyType], PrivateKey]:
    """Answers the run's private key of a type; slow keys are made once."""
    return cache(generate_private_key)


@pytest.fixture
def entropy() -> Callable[[int], bytes]:
    """Octets that differ from call to call and are the same in every run."""
    blocks = _blocks()

    def read(count: int) -> bytes:
        return b"".join(next(blocks) for _ in range(-(-count // 32)))[:count]

    return read


@pytest.fixture
def openssl(tmp_path: Path) -> OpenSsl:
    """Runs ``openssl`` in the test's directory; answers standard output and fails the test when OpenSSL does."""
    program = shutil.which("openssl")
    assert program is not None, "these tests need openssl on the path"

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [program, *arguments], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def _blocks() -> Iterator[bytes]:
    count = 0
    while True:
        yield hashlib.sha256(count.to_bytes(8, "big")).digest()
        count += 1
