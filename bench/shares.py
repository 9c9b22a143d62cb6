"""Where the CPU time of one SignCsr goes: the figures of the other sections, set against the call as a whole."""

from collections.abc import Iterator, Sequence

from bench import crypto, endtoend, store
from bench.figures import Figure, Finding

SECTION = "where one SignCsr spends its CPU time, 64 in flight"


def shares(findings: Sequence[Finding]) -> Iterator[Figure]:
    """Nothing unless crypto, store and end to end were measured. What is left over is our edge, threads and cold caches."""
    values = {
        finding.name: finding.value
        for finding in findings
        if isinstance(finding, Figure) and finding.unit in {crypto.SIGNATURES, crypto.RAW}
    }
    names = (crypto.VERIFY, crypto.ALL_STEPS, crypto.PREPARED, store.JUDGED, endtoend.BARE_CALL, endtoend.SIGNING)
    if not all(name in values for name in names):
        return
    raw = 1.0 + values[crypto.VERIFY]
    whole = values[endtoend.SIGNING] * raw
    steps, prepared = values[crypto.ALL_STEPS] * raw, values[crypto.PREPARED]
    parts = {
        "raw verification and signature": raw,
        "parsing, template, lint, encoding, inspection": steps - raw,
        "policy, record and audit event": prepared - steps,
        "the durable record": values[store.JUDGED],
        "gRPC and TLS, as of a call without a handler of ours": values[endtoend.BARE_CALL],
    }
    for name, signatures in {**parts, "the rest: our edge, threads, cold caches": whole - sum(parts.values())}.items():
        yield Figure(section=SECTION, name=name, value=100 * signatures / whole, unit="%", note=f"{signatures:.1f} S")
