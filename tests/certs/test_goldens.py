"""Certificates made today are, octet for octet, those made when the goldens were written and read by OpenSSL."""

import runpy
from pathlib import Path

import pytest

GOLDENS = Path(__file__).with_name("goldens")
NAMES = [
    *(f"{name}.pem" for name in ("root", "cross", "intermediate", "server", "client", "peer", "workload", "ocsp")),
    "shard.crl.pem",
]


@pytest.fixture(scope="module")
def made():
    return runpy.run_path(str(GOLDENS / "generate.py"))["goldens"]()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_made_equals_its_golden(name, made):
    assert made[name] == (GOLDENS / name).read_text()


def test_every_golden_is_compared():
    assert sorted(path.name for path in GOLDENS.glob("*.pem")) == sorted(NAMES)


@pytest.mark.parametrize("profile", ["server", "client", "peer", "workload", "ocsp"])
def test_openssl_accepts_the_goldens(profile, openssl):
    answer = openssl(
        "verify", "-x509_strict", "-attime", "1795262400", "-CAfile", str(GOLDENS / "root.pem"),
        "-untrusted", str(GOLDENS / "intermediate.pem"), str(GOLDENS / f"{profile}.pem"),
    )  # fmt: skip

    assert answer.endswith("OK\n")
