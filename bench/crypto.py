"""From a request to a certificate inside one process, beside raw signature and verification (goals 1, 2)."""

import itertools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench.cpu import Cost, compare
from bench.figures import Figure
from bench.issuing import BATCH, preparing
from bench.material import Material, leaf_template, make_material, p256_key
from certs.inspection import verify_issued
from certs.keys import generate_private_key
from certs.lint import Linter
from certs.requests import CertificateRequest
from certs.signing import CertificateEncoder, Signer

SECTION = "crypto: P-256, one thread, CPU time; S is one raw signature"
SIGNATURES, RAW = "S", "x raw"
VERIFY = "raw verification"
ALL_STEPS = "CSR to certificate with lint and inspection"
PREPARED = "CSR to certificate and its record, policy included"


def raw_variants() -> dict[str, Callable[[], object]]:
    """One raw signature and one raw verification over as many octets as a TBSCertificate has."""
    key, message, algorithm = p256_key(), bytes(480), ec.ECDSA(hashes.SHA256())
    public_key, signature = key.public_key(), key.sign(message, algorithm)
    return {
        "sign": lambda: key.sign(message, algorithm),
        "verify": lambda: public_key.verify(signature, message, algorithm),
    }


def measure(*, quick: bool) -> list[Figure]:
    material = make_material(requests=32)
    with preparing(material.requests) as prepare:
        costs = compare(
            {**raw_variants(), **_variants(material), "prepare": prepare},
            reference="sign",
            rounds=8 if quick else 60,
            slice_seconds=0.02 if quick else 0.03,
        )
    return [*_figures(costs), _prepared(costs["prepare"])]


def _variants(material: Material) -> Mapping[str, Callable[[], object]]:
    issuer, requests = material.issuer, itertools.cycle(material.requests)
    splice, builder = Signer(issuer), Signer(issuer, encoder=CertificateEncoder.BUILDER)
    linter = Linter(issuer, generate_private_key)
    now = datetime.now(UTC)
    parsed = CertificateRequest.from_bytes(material.requests[0])
    template = leaf_template(parsed, issuer, now)
    der = splice.sign(template)

    def library_parse() -> bool:
        return x509.load_der_x509_csr(next(requests)).is_signature_valid

    def to_certificate(signer: Signer) -> bytes:
        return signer.sign(leaf_template(CertificateRequest.from_bytes(next(requests)), issuer, now))

    def all_steps() -> bytes:
        fresh = leaf_template(CertificateRequest.from_bytes(next(requests)), issuer, now)
        linter.verify(fresh)
        certificate = splice.sign(fresh)
        verify_issued(certificate, template=fresh, issuer=issuer)
        return certificate

    return {
        "library parse": library_parse,
        "parse": lambda: CertificateRequest.from_bytes(next(requests)),
        "template": lambda: leaf_template(parsed, issuer, now),
        "splice": lambda: splice.sign(template),
        "builder": lambda: builder.sign(template),
        "lint": lambda: linter.verify(template),
        "inspect": lambda: verify_issued(der, template=template, issuer=issuer),
        "certificate": lambda: to_certificate(splice),
        "certificate by builder": lambda: to_certificate(builder),
        "certificate, all steps": all_steps,
    }


def _figures(costs: Mapping[str, Cost]) -> list[Figure]:
    raw = costs["sign"].ratio + costs["verify"].ratio

    def figure(
        key: str, name: str, *, goal: int | None = None, budget: float | None = None, per_raw: bool = False
    ) -> Figure:
        cost = costs[key]
        value, unit = (cost.ratio / raw, RAW) if per_raw else (cost.ratio, SIGNATURES)
        note = f"{cost.microseconds:.0f} µs"
        return Figure(section=SECTION, name=name, value=value, unit=unit, goal=goal, budget=budget, note=note)

    return [
        figure("sign", "raw signature"),
        figure("verify", VERIFY),
        figure("library parse", "CSR parse and verification, library alone"),
        figure("parse", "CSR parse, bounds, strength, names and verification"),
        figure("template", "template: serial, validity"),
        figure("splice", "build and sign, splice", goal=2, budget=1.6),
        figure("builder", "build and sign, CertificateBuilder"),
        figure("lint", "lint, cached shape"),
        figure("inspect", "inspection of the result"),
        figure("certificate", "CSR to certificate, splice (raw = verify + sign)", goal=1, budget=1.9, per_raw=True),
        figure("certificate by builder", "CSR to certificate, CertificateBuilder", per_raw=True),
        figure("certificate, all steps", ALL_STEPS, per_raw=True),
    ]


def _prepared(cost: Cost) -> Figure:
    note = f"{cost.microseconds / BATCH:.0f} µs, batches of {BATCH}"
    return Figure(section=SECTION, name=PREPARED, value=cost.ratio / BATCH, unit=SIGNATURES, note=note)
