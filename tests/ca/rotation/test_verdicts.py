"""What verifiers say of certificates in every phase of a rotation, for each set of roots that somebody may trust in it.

Four verifiers: OpenSSL, strict; Java, as a TLS client and as a builder of paths; Go; and our own. All have to say what the tables
say.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ca.offices import CountedEntropy, Premises
from tests.ca.rotation.courses import COURSES, PUBLISHED, TABLES, Case, Course, accepted_by_us, table
from tests.servers.go import SETTINGS, find_go


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


def test_our_own_verifier(course):
    name, taken = course

    assert table(taken, accepted_by_us) == TABLES[name]


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
def go_verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = find_go()
    program = tmp_path_factory.mktemp("go") / "verdicts"
    source = Path(__file__).with_name("verdicts.go")
    answered([go, "build", "-o", program, source], **SETTINGS)
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
