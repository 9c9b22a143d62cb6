"""Rotations that take their courses, each case of a chain and a set of roots on the way, and what verifiers have to say of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from ca.office import Office
from certs.chains import verify_chain
from certs.errors import VerificationFailed
from certs.pem import join_certificates
from tests.ca.offices import FixedClock
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


def table(course: Course, accepted: Callable[[Case], bool]) -> Table:
    """The verdicts in the form of TABLES."""
    stages: dict[str, dict[str, str]] = {}
    for case in course.cases:
        leaves = stages.setdefault(case.stage, {})
        leaves.setdefault(case.leaf, "")
        if accepted(case):
            leaves[case.leaf] = f"{leaves[case.leaf]} {case.trust}".strip()
    return stages


def accepted_by_us(case: Case) -> bool:
    """The verdict of our own verifier."""
    try:
        verify_chain(case.chain[0], case.chain[1:], case.roots, at=case.clock(), usage="server")
    except VerificationFailed:
        return False
    return True
