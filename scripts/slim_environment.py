"""Takes out of an environment what the image never runs: python scripts/slim_environment.py ENVIRONMENT.

- What goes is named here, with its reason. A name that leads to nothing ends it: a dependency has changed, and this list with it.
- Symbols for debuggers go from shared libraries, where there is a `strip` (binutils).
- `tests/test_container.py` slims an environment and imports and runs what is left.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

NEVER_RUN = (
    ("kubernetes/aio", "the asynchronous client"),
    ("kubernetes/client/api/*_api.py", "a class for each API group; ours asks by path"),
    ("kubernetes/client/models/*_*.py", "a class for each kind; ours reads JSON"),
    ("zstandard/_cffi*.so", "for PyPy"),
    ("cel_expr_python/ext/ext_proto*.so", "an extension of CEL that Kubernetes does not have"),
    ("sqlalchemy/testing", "tests"),
    ("alembic/testing", "tests"),
    ("mako/testing", "tests"),
    ("websocket/tests", "tests"),
    ("certifi/tests", "tests"),
    ("**/*.pyi", "for type checkers"),
    ("**/*.px[dyi]", "what was compiled"),
)
KEPT = {"__init__.py"}


def slim(environment: Path) -> int:
    """How many octets that freed. Raises SystemExit."""
    (packages,) = environment.glob("lib/python3*/site-packages")
    freed = 0
    for pattern, reason in NEVER_RUN:
        found = [path for path in packages.glob(pattern) if path.name not in KEPT]
        if not found:
            raise SystemExit(f"nothing is at {pattern} ({reason}): look at what the package has become")
        freed += sum(_remove(path) for each in found for path in _with_bytecode(each))
    return freed + _strip(packages)


def _strip(packages: Path) -> int:
    program = shutil.which("strip")
    libraries = sorted(path for path in packages.rglob("*.so*") if path.is_file() and not path.is_symlink())
    if program is None:
        return 0
    before = sum(path.stat().st_size for path in libraries)
    subprocess.run([program, "--strip-unneeded", *libraries], check=True, timeout=120)  # noqa: S603 - our own files, no shell
    return before - sum(path.stat().st_size for path in libraries)


def _with_bytecode(path: Path) -> Iterator[Path]:
    yield path
    if path.suffix == ".py":
        yield from (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc")


def _remove(path: Path) -> int:
    if path.is_dir():
        size = sum(each.lstat().st_size for each in path.rglob("*") if each.is_file())
        shutil.rmtree(path)
        return size
    size = path.lstat().st_size
    path.unlink()
    return size


if __name__ == "__main__":
    print(f"freed {slim(Path(sys.argv[1])) / 1e6:.0f} MB")  # noqa: T201 - what the build shows
