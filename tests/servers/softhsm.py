"""A token of SoftHSM for a test: a PKCS#11 module that keeps its objects in files.

- The module looks for tokens once, when it is loaded: a stock of them is made before, and each test gets one that is empty.
- Import the fixtures `softhsm_stock` and `softhsm` into a conftest. Without SoftHSM 2 tests are skipped.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PIN = "1234-user"
_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
_STOCK = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftHsm:
    """`pin_file` holds PIN."""

    module: Path
    token: str
    pin_file: Path
    configuration: Path

    @property
    def settings(self) -> dict[str, str]:
        return {
            "pkcs11_module": str(self.module),
            "pkcs11_token": self.token,
            "pkcs11_pin_file": str(self.pin_file),
        }


def find_module() -> Path | None:
    return next((Path(path) for path in _MODULES if Path(path).exists()), None)


def make_tokens(directory: Path, count: int) -> Iterator[SoftHsm]:
    """Yields them one by one; all are there before the first is."""
    module, tool = find_module(), shutil.which("softhsm2-util")
    if module is None or tool is None:
        pytest.skip("no SoftHSM: install softhsm2 to run these tests")
    configuration = directory / "softhsm2.conf"
    (directory / "tokens").mkdir(mode=0o700)
    configuration.write_text(f"directories.tokendir = {directory}/tokens\nlog.level = ERROR\n")
    pin_file = directory / "pin"
    pin_file.touch(mode=0o600)
    pin_file.write_text(f"{PIN}\n")
    labels = [f"token-{number}" for number in range(count)]
    for label in labels:
        subprocess.run(
            [tool, "--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN],
            env={"SOFTHSM2_CONF": str(configuration), "PATH": os.defpath},
            check=True, capture_output=True, timeout=30,
        )  # fmt: skip
    for label in labels:
        yield SoftHsm(module=module, token=label, pin_file=pin_file, configuration=configuration)


@pytest.fixture(scope="session")
def softhsm_stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[SoftHsm]]:
    directory = tmp_path_factory.mktemp("softhsm")
    os.environ["SOFTHSM2_CONF"] = str(directory / "softhsm2.conf")
    yield make_tokens(directory, _STOCK)
    del os.environ["SOFTHSM2_CONF"]


@pytest.fixture
def softhsm(softhsm_stock: Iterator[SoftHsm]) -> SoftHsm:
    """A token of this test's own, empty."""
    return next(softhsm_stock)
