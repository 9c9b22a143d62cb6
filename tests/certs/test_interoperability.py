"""OpenSSL, Java, Go and pkilint, as verifiers that we did not write, judge certificates of every profile and key type."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pkilint import loader
from pkilint.pkix import certificate as pkix_certificate
from pkilint.pkix import extension as pkix_extension
from pkilint.pkix import name as pkix_name
from pkilint.validation import ValidationFindingSeverity

from certs.chains import verify_chain
from certs.keys import KeyType
from certs.names import SubjectAlternativeNames, SubjectName
from certs.profiles import LEAF_PROFILES, PROFILES
from certs.signing import Signer
from tests.servers.go import SETTINGS, find_go

URLS = {
    "crl_distribution_point": "http://ca.example/crl/7.crl",
    "ocsp_url": "http://ca.example/ocsp",
    "ca_issuers_url": "http://ca.example/issuer.cer",
}
ML_DSA = frozenset(key_type for key_type in KeyType if key_type.startswith("ml-dsa"))
PURPOSES = {"server": "sslserver", "client": "sslclient", "peer": "sslserver", "workload": "sslclient", "ocsp": "any"}
PKILINT = pkix_certificate.create_pkix_certificate_validator_container(
    pkix_certificate.create_decoding_validators(pkix_name.ATTRIBUTE_TYPE_MAPPINGS, pkix_extension.EXTENSION_MAPPINGS),
    [
        pkix_certificate.create_issuer_validator_container([]),
        pkix_certificate.create_validity_validator_container(),
        pkix_certificate.create_subject_validator_container([]),
        pkix_certificate.create_extensions_validator_container([]),
        pkix_certificate.create_spki_validator_container([]),
    ],
)


@pytest.fixture(scope="session")
def issue(hierarchy: Callable, make_template: Callable) -> Callable[[str, KeyType], x509.Certificate]:
    """A certificate of a profile whose key, and whose issuer's key, is of that type."""

    def make(profile: str, key_type: KeyType, **fields: object) -> x509.Certificate:
        authority = hierarchy(key_type)
        issuer = authority.root if profile == "cross" else authority.issuer
        template = make_template(profile, issuer=issuer, key_type=key_type, **{**URLS, **fields})
        return x509.load_der_x509_certificate(Signer(issuer).sign(template))

    return make


@pytest.mark.parametrize("key_type", [key_type for key_type in KeyType if key_type not in ML_DSA])
@pytest.mark.parametrize("profile", LEAF_PROFILES)
def test_openssl_accepts_every_leaf_strictly(profile, key_type, issue, hierarchy, openssl, tmp_path):
    authority = hierarchy(key_type)
    files = {
        "leaf": issue(profile, key_type),
        "issuer": authority.issuer.certificate,
        "root": authority.root.certificate,
    }
    for name, certificate in files.items():
        (tmp_path / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))

    answer = openssl(
        "verify", "-x509_strict", "-attime", f"{authority.now.timestamp():.0f}", "-purpose", PURPOSES[profile],
        "-CAfile", "root.pem", "-untrusted", "issuer.pem", "leaf.pem",
    )  # fmt: skip

    assert answer.strip() == "leaf.pem: OK"


@pytest.mark.parametrize("key_type", KeyType)
@pytest.mark.parametrize("profile", LEAF_PROFILES)
def test_our_own_chain_verification_accepts_every_leaf(profile, key_type, issue, hierarchy):
    authority = hierarchy(key_type)
    leaf = issue(profile, key_type)

    path = verify_chain(leaf, [authority.issuer.certificate], [authority.root.certificate], at=authority.now)

    assert path == (leaf, authority.issuer.certificate, authority.root.certificate)


@pytest.mark.parametrize("key_type", KeyType)
@pytest.mark.parametrize("profile", PROFILES)
def test_pkilint_finds_nothing(profile, key_type, issue, hierarchy):
    authority = hierarchy(key_type)
    certificates = {"root": authority.root.certificate, "intermediate": authority.issuer.certificate}

    if profile == "cross" and key_type is KeyType.RSA_2048:
        key_type = KeyType.RSA_3072  # as roots have
    findings = pkilint_findings(certificates.get(profile) or issue(profile, key_type))

    assert findings == set()


def test_pkilint_finds_nothing_where_the_subject_is_empty(issue):
    names = SubjectAlternativeNames.parse(uris=["spiffe://cluster.local/ns/a/sa/web"])

    assert pkilint_findings(issue("workload", KeyType.EC_P256, subject=SubjectName(), names=names)) == set()


def pkilint_findings(certificate: x509.Certificate) -> set[str]:
    """What pkilint holds against a certificate, without the one false positive: its URI grammar knows no spiffe://."""
    document = loader.load_certificate(certificate.public_bytes(Encoding.DER), "certificate")
    return {
        description.finding.code
        for result in PKILINT.validate(document.root)
        for description in result.finding_descriptions
        if description.finding.severity is not ValidationFindingSeverity.INFO
        and not (description.finding.code == "pkix.invalid_uri_syntax" and "spiffe://" in str(description.message))
    }


@pytest.fixture
def chains(issue, hierarchy, tmp_path):
    """A directory with one chain, leaf first and root last, of each profile and each key type but ML-DSA."""
    directory = tmp_path / "chains"
    directory.mkdir()
    for key_type in KeyType:
        if key_type in ML_DSA:
            continue
        authority = hierarchy(key_type)
        for profile in LEAF_PROFILES:
            chain = (issue(profile, key_type), authority.issuer.certificate, authority.root.certificate)
            path = directory / f"{profile}_{key_type}.pem"
            path.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    return directory


@pytest.mark.java
def test_java_accepts_every_leaf_whose_algorithm_it_knows(chains, now):
    java = shutil.which("java")
    if java is None:
        pytest.skip("no JDK: java is not on the path")
    source = Path(__file__).with_name("VerifyChains.java")

    accepted = printed([java, source, chains, f"{now.timestamp() * 1000:.0f}"])

    assert sorted(accepted) == sorted(path.name for path in chains.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_go_accepts_every_leaf_whose_algorithm_it_knows(chains, now):
    go = find_go()
    source = Path(__file__).with_name("VerifyChains.go")

    accepted = printed([go, "run", source, chains, f"{now.timestamp():.0f}"], **SETTINGS)

    assert sorted(accepted) == sorted(path.name for path in chains.iterdir())


def printed(arguments, **settings):
    """The lines that a program prints; the test fails where the program does."""
    done = subprocess.run(
        arguments, check=False, capture_output=True, text=True, timeout=290, env={**os.environ, **settings}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
