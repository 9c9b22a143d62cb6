"""The end of a process's own identity, as far as there is one."""

import math
from pathlib import Path

import pytest
import trustme

from certs.pem import load_certificate
from kube.own_identity import identity_ends_at


def test_end_is_that_of_the_leaf(tmp_path: Path) -> None:
    authority = trustme.CA()
    chain = authority.issue_cert("registrar.example").cert_chain_pems[0].bytes()
    (tmp_path / "tls.crt").write_bytes(chain + authority.cert_pem.bytes())

    assert identity_ends_at(tmp_path) == load_certificate(chain).not_valid_after_utc.timestamp()


@pytest.mark.parametrize(
    "content", [None, b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_nothing_readable_is_no_end(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "tls.crt").write_bytes(content)

    assert math.isnan(identity_ends_at(tmp_path))
