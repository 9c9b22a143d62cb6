"""What verifiers say of certificates in every phase of a rotation, for each set of roots that somebody may trust in it.

Four verifiers: OpenSSL, strict; Java, as a TLS client and as a builder of paths; Go; and our own. All have to say what the tables
say.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from ca.office import Office
from certs.chains import verify_chain
from certs.errors import VerificationFailed
from certs.pem import join_certificates
from tests.ca.offices import CountedEntropy, FixedClock, Premises
from tests.ca.rotation.worlds import ADMINISTRATOR, Holder

Table = Mapping[str, Mapping[str, str]]

# stage → the stage in which a certificate was issued → who accepts it: those who trust the old root alone, both, the new one alone
TABLES: Mapping[str, Table] = {
    "issuer": {
        "before": {"before": "old"},
        "publishing": {"before": "old", "publishing": "old"},
        "signing": {"before": "old", "publishing": "old", "signing": "old"},
        "retiring": {"before": "old", "publishing": "old", "signing": "old", "retiring": "old"},
        "stable": {"before": "old", "publishing": "old", "signing": "old", "retiring": "old", "stable": "old"},
    },
    "issuer, aborted": {
        "before": {"before": "old"},
        "signing": {"before": "old", "signing": "old"},
        "aborted": {"before": "old", "signing": "old", "aborted": "old"},
        "retiring": {"before": "old", "signing": "old", "aborted": "old", "retiring": "old"},
        "stable": {"before": "old", "signing": "old", "aborted": "old", "retiring": "old", "stable": "old"},
    },
    "root": {
        "before": {"before": "old"},
        "publishing": {"before": "old both", "publishing": "old both"},
        # bridged by the cross-certificate: nobody refuses it
        "signing": {"before": "old both", "publishing": "old both", "signing": "old both new"},
        # the bridge goes with the chain of no certificate from now on; those that have it keep it
        "retiring": {
            "before": "old both",
            "publishing": "old both",
            "signing": "old both new",
            "retiring": "both new",
        },
        "stable": {
            "before": "old both",
            "publishing": "old both",
            "signing": "old both new",
            "retiring": "both new",
            "stable": "both new",
        },
    },
    "root, aborted in publishing": {
        "before": {"before": "old"},
        "publishing": {"before": "old both", "publishing": "old both"},
        "aborted": {"before": "old both", "publishing": "old both", "aborted": "old both"},
        "stable": {"before": "old both", "publishing": "old both", "aborted": "old both", "stable": "old both"},
    },
    "root, aborted in signing": {
        "before": {"before": "old"},
        "signing": {"before": "old both", "signing": "old both new"},
        "aborted": {"before": "old both", "signing": "old both new", "aborted": "old both"},
        "retiring": {"before": "old both", "signing": "old both new", "aborted": "old both", "retiring": "old both"},
        "stable": {
            "before": "old both",
            "signing": "old both new",
            "aborted": "old both",
            "retiring": "old both",
            "stable": "old both",
        },
    },
    "root, aborted in retiring": {
        "before": {"before": "old"},
        "signing": {"before": "old both", "signing": "old both new"},
        "retiring": {"before": "old both", "signing": "old both new", "retiring": "both new"},
        # the old root is published again, and the new issuing CA signs until everybody trusts both
        "aborted": {"before": "old both", "signing": "old both new", "retiring": "both new", "aborted": "both new"},
        "signing-again": {
            "before": "old both",
            "signing": "old both new",
            "retiring": "both new",
            "aborted": "both new",
            "signing-again": "old both",
        },
        "stable": {
            "before": "old both",
            "signing": "old both new",
            "retiring": "both new",
            "aborted": "both new",
            "signing-again": "old both",
            "stable": "old both",
        },
    },
}
# what the authority itself publishes in each stage: those who follow trust this, or what was published in the stage before
PUBLISHED: Mapping[str, Mapping[str, str]] = {
    "root": {"before": "old", "publishing": "both", "signing": "both", "retiring": "new", "stable": "new"},
    "root, aborted in publishing": {"before": "old", "publishing": "both", "aborted": "old", "stable": "old"},
    "root, aborted in signing": {
        "before": "old",
        "signing": "both",
        "aborted": "both",
        "retiring": "old",
        "stable": "old",
    },
    "root, aborted in retiring": {
        "before": "old",
        "signing": "both",
        "retiring": "new",
        "aborted": "both",
        "signing-again": "both",
        "stable": "old",
    },
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A chain, leaf first, that somebody sends to one who trusts these roots."""

    stage: str
    leaf: str
    trust: str
    chain: tuple[x509.Certificate, ...]
    roots: tuple[x509.Certificate, ...]
    clock: FixedClock

    @property
    def name(self) -> str:
        return f"{self.stage}.{self.leaf}.{self.trust}"

    def write(self, directory: Path) -> Path:
        here = directory / self.name
        here.mkdir(parents=True)
        (here / "leaf.pem").write_bytes(join_certificates(self.chain[:1]))
        (here / "chain.pem").write_bytes(join_certificates(self.chain))
        (here / "trust.pem").write_bytes(join_certificates(self.roots))
        (here / "instant").write_text(f"{self.clock().timestamp():.0f}")
        return here


@dataclass(kw_only=True)
class Course:
    """One rotation from before its beginning to its end, and what was held and trusted on the way."""

    office: Office
    clock: FixedClock
    directory: Path
    old: tuple[x509.Certificate, ...] = ()
    held: dict[str, Holder] = field(default_factory=dict)
    chains: dict[str, tuple[x509.Certificate, ...]] = field(default_factory=dict)
    cases: list[Case] = field(default_factory=list)
    published: dict[str, str] = field(default_factory=dict)

    def at(self, stage: str) -> None:
        """Issues a certificate, and puts down every case that there is now."""
        if stage == "before":
            self.old = self.office.issuers.bundle.roots
        holder = self.held[stage] = Holder(self.office, f"{stage}.example")
        self.chains[stage] = tuple(holder.chain)
        trusts = self.trusts()
        roots = self.office.issuers.bundle.roots
        self.published[stage] = next(name for name, trust in trusts.items() if set(trust) == set(roots))
        now = FixedClock(self.clock())
        for leaf, chain in self.chains.items():
            for trust, roots in trusts.items():
                case = Case(stage=stage, leaf=leaf, trust=trust, chain=chain, roots=roots, clock=now)
                case.write(self.directory)
                self.cases.append(case)

    def trusts(self) -> dict[str, tuple[x509.Certificate, ...]]:
        records = [record for record in self.office.issuers.records if record.profile == "root"]
        roots = tuple(self.office.issuers.certificate(record.id) for record in records)
        new = tuple(root for root in roots if root not in self.old)
        return {"old": self.old, "both": roots, "new": new} if new else {"old": self.old}

    def reach(self, *phases: str, stage: str = "") -> None:
        """Lets the keeper go on, everybody renewing as asked, and looks at each of the phases; `stage` is another name of it."""
        for phase in phases:
            for _ in range(20):
                if self.office.rotations.status().rotation.phase == phase:
                    break
                for holder in self.held.values():
                    if holder.is_asked_to_renew:
                        holder.renew()
                self.clock.advance(timedelta(seconds=15))
                self.office.rotations.look()
            assert self.office.rotations.status().rotation.phase == phase
            self.at(stage or phase)

    def begin(self, kind: str) -> None:
        self.at("before")
        self.office.rotations.start(kind, "now", ADMINISTRATOR)

    def abort(self) -> None:
        self.office.rotations.abort(ADMINISTRATOR)
        self.at("aborted")


def issuer(course: Course) -> None:
    course.begin("issuer")
    course.reach("publishing", "signing", "retiring", "stable")


def issuer_aborted(course: Course) -> None:
    course.begin("issuer")
    course.reach("signing")
    course.abort()
    course.reach("retiring", "stable")


def root(course: Course) -> None:
    course.begin("root")
    course.reach("publishing", "signing", "retiring", "stable")


def root_aborted_in_publishing(course: Course) -> None:
    course.begin("root")
    course.reach("publishing")
    course.abort()
    course.reach("stable")


def root_aborted_in_signing(course: Course) -> None:
    course.begin("root")
    course.reach("signing")
    course.abort()
    course.reach("retiring", "stable")


def root_aborted_in_retiring(course: Course) -> None:
    course.begin("root")
    course.reach("signing", "retiring")
    course.abort()
    course.reach("signing", stage="signing-again")
    course.reach("stable")


COURSES: Mapping[str, Callable[[Course], None]] = {
    "issuer": issuer,
    "issuer, aborted": issuer_aborted,
    "root": root,
    "root, aborted in publishing": root_aborted_in_publishing,
    "root, aborted in signing": root_aborted_in_signing,
    "root, aborted in retiring": root_aborted_in_retiring,
}


@pytest.fixture(scope="module", params=COURSES)
def course(request: pytest.FixtureRequest, founded_directory: Path, tmp_path_factory: pytest.TempPathFactory):
    """A rotation that has taken its course, in a copy of an authority that others made."""
    directory = tmp_path_factory.mktemp("verdicts")
    shutil.copytree(founded_directory, directory / "ca")
    premises = Premises(directory=directory / "ca", entropy=CountedEntropy(start=1_000_000))
    with premises.open() as office:
        office.rotations.look()
        course = Course(office=office, clock=premises.clock, directory=directory / "cases")
        COURSES[request.param](course)
        yield request.param, course


def table(course: Course, accepted: Callable[[Case], bool]) -> Table:
    """The verdicts in the form of TABLES."""
    stages: dict[str, dict[str, str]] = {}
    for case in course.cases:
        leaves = stages.setdefault(case.stage, {})
        leaves.setdefault(case.leaf, "")
        if accepted(case):
            leaves[case.leaf] = f"{leaves[case.leaf]} {case.trust}".strip()
    return stages


def test_our_own_verifier(course):
    name, taken = course

    def accepted(case: Case) -> bool:
        try:
            verify_chain(case.chain[0], case.chain[1:], case.roots, at=case.clock(), usage="server")
        except VerificationFailed:
            return False
        return True

    assert table(taken, accepted) == TABLES[name]


def test_openssl_strictly(course):
    name, taken = course
    openssl = shutil.which("openssl")
    assert openssl is not None, "these tests need openssl on the path"

    def accepted(case: Case) -> bool:
        command = [openssl, "verify", "-x509_strict", "-purpose", "sslserver", "-no-CApath", "-no-CAstore"]
        command += ["-attime", f"{case.clock().timestamp():.0f}"]
        command += ["-CAfile", "trust.pem", "-untrusted", "chain.pem", "leaf.pem"]
        return answered(command, cwd=taken.directory / case.name) == "leaf.pem: OK"

    assert table(taken, accepted) == TABLES[name]


@pytest.mark.java
@pytest.mark.slow
def test_java(course):
    """Both ways in which Java looks for a path. CertPathValidator alone looks for none: handed the whole bridged chain it wants the
    root that signed the bridge, so whoever calls it directly cuts the chain at what he trusts first, as TLS does."""
    name, taken = course
    java = shutil.which("java")
    if java is None:
        pytest.skip("no JDK: java is not on the path")
    lines = answered([java, Path(__file__).with_name("Verdicts.java"), taken.directory]).splitlines()
    verdicts = {case: set(judges) for case, *judges in map(str.split, lines)}

    assert table(taken, lambda case: "tls" in verdicts[case.name]) == TABLES[name]
    assert table(taken, lambda case: "built" in verdicts[case.name]) == TABLES[name]
    bridged_to_new = {case.name for case in taken.cases if len(case.chain) == 3 and case.trust == "new"}
    assert {case for case, judges in verdicts.items() if judges == {"tls", "built"}} == bridged_to_new


@pytest.fixture(scope="session")
def go_verifier(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        pytest.skip("no Go: go is not on the path")
    program = tmp_path_factory.mktemp("go") / "verdicts"
    compiled = pytestconfig.cache.mkdir("go")  # the standard library takes 20 s of CPU time, once
    settings = {"GOCACHE": str(compiled), "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOFLAGS": "-p=2"}
    source = Path(__file__).with_name("verdicts.go")
    answered([go, "build", "-o", program, source], **settings)
    assert program.is_file()
    return program


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_go(course, go_verifier):
    name, taken = course
    verdicts = set(answered([go_verifier, taken.directory]).splitlines())

    assert table(taken, lambda case: case.name in verdicts) == TABLES[name]


def test_who_follows_the_trust_bundle_accepts_everybody_who_renews(course):
    """The tables keep what rotation promises: what is issued in a stage is accepted by all who trust what is published in it, or
    was published in the stage before."""
    name, taken = course
    if name not in PUBLISHED:
        assert set(taken.published.values()) == {"old"}
        return

    assert taken.published == PUBLISHED[name]
    assert list(refused_though_both_keep_up(name)) == []


def refused_though_both_keep_up(name: str) -> Iterator[tuple[str, str]]:
    before = ""
    for stage, verdicts in TABLES[name].items():
        leaf = verdicts[stage].split()
        for trust in (PUBLISHED[name][stage], before or PUBLISHED[name][stage]):
            if trust not in leaf:
                yield stage, trust
        before = PUBLISHED[name][stage]


def test_old_trust_is_gone_at_the_end():
    assert "new" not in TABLES["root"]["stable"]["before"]
    assert "old" not in TABLES["root"]["stable"]["stable"]
    assert "new" not in TABLES["root, aborted in signing"]["stable"]["stable"]


def answered(command: list[str | Path], *, cwd: Path | None = None, **settings: str) -> str:
    """What a verifier prints; one that refuses may end as it likes."""
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=290, cwd=cwd, env={**os.environ, **settings}
    )
    return done.stdout.strip()
