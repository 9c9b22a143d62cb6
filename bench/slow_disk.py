"""A disk that takes two milliseconds longer to say that it has written: a C shim, compiled on the spot and preloaded."""

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("fdatasync_delay.c")
NO_COMPILER = "no C compiler (cc) to build the slow disk with"


def build_slow_disk(directory: Path) -> Path | None:
    """The shared object to name in LD_PRELOAD, or None without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    target = directory / "fdatasync_delay.so"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", target, SOURCE, "-ldl"], check=True, timeout=60)
    return target
