"""What holds for the repository as a whole, whichever file changes."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

GIT = ("git", "-c", "safe.directory=*")  # a checkout that somebody else owns is read all the same
LONGEST_MODULE = 500
NAMES_THAT_SAY_NOTHING = frozenset({"util", "utils", "helper", "helpers", "common", "misc", "manager", "base"})
KEY_FILES = frozenset({".key", ".pem", ".p12", ".pfx", ".jks", ".crt", ".der", ".keystore"})
# A path below one of these belongs to somebody's machine, never to the project.
MACHINE_PATH = re.compile(r"(?<![\w.~$}-])/(?:work|farm|root|home/(?!you/)[a-z]+|Users/[A-Za-z]+)/[\w.-]")
EXEMPTION = re.compile(r"#\s*(?:noqa|type: ignore|pragma: no cover)")
EXPLAINED_EXEMPTION = re.compile(
    r"#\s*(?:noqa: ?[A-Z]+\d+(?:, ?[A-Z]+\d+)*|type: ignore\[[\w-]+(?:, ?[\w-]+)*\]|pragma: no cover)(?!\w)[\s#(-]*\w"
)
PRIVATE_KEY = re.compile(r"^-----BEGIN [A-Z ]*PRIVATE KEY-----\s*$\n^[A-Za-z0-9+/]{32,}", re.MULTILINE)


def tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    if listing.returncode:
        pytest.skip("not a git checkout: nothing says what belongs to the repository")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def python_modules() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py" and "_pb2" not in path.name]


def shown(paths: list[Path]) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in paths)


def test_no_key_file_is_tracked():
    suspects = [path for path in tracked_files() if path.suffix in KEY_FILES and path.parent.name != "goldens"]

    assert shown(suspects) == []


def test_no_private_key_stands_in_a_file():
    holding = [path for path in tracked_files() if PRIVATE_KEY.search(path.read_text(errors="replace"))]

    assert shown(holding) == []


@pytest.mark.parametrize(
    "name",
    ["tls.key", "certs/root.pem", "web.p12", "a.pfx", "a.jks", "tls.crt", "a.der", "passphrase", ".quickstart/x"],
)
def test_key_material_is_ignored_by_git(name):
    verdict = subprocess.run([*GIT, "check-ignore", "--quiet", "--no-index", name], cwd=ROOT, check=False, timeout=60)
    if verdict.returncode == 128:
        pytest.skip("not a git checkout")

    assert verdict.returncode == 0


def test_no_path_of_a_machine_stands_in_a_file():
    naming = [
        path
        for path in tracked_files()
        if path != Path(__file__) and MACHINE_PATH.search(path.read_text(errors="replace"))
    ]

    assert shown(naming) == []


def test_no_module_is_too_long_to_read():
    assert shown([path for path in python_modules() if len(path.read_text().splitlines()) > LONGEST_MODULE]) == []


def test_forms_that_msgspec_reads_are_ready_before_threads_read_them():
    reads = re.compile(r"msgspec\.(?:json\.decode\([^\n]*, type=|convert\(\w+, )(\w+)[,)]")
    packages = {path.parent.name for path in ROOT.glob("*/py.typed")}
    sources = {path: path.read_text() for path in python_modules() if path.relative_to(ROOT).parts[0] in packages}
    read = {(path, name) for path, text in sources.items() for name in reads.findall(text)} - {
        (path, "dict") for path in sources
    }

    assert len(read) >= 9
    assert [(path, name) for path, name in read if f"@read_by_threads\nclass {name}(" not in sources[path]] == []


def test_every_module_has_found_its_noun():
    homeless = [
        path for path in python_modules() if NAMES_THAT_SAY_NOTHING & {path.stem, *path.relative_to(ROOT).parent.parts}
    ]

    assert shown(homeless) == []


def test_every_module_says_what_it_is_for():
    packages = {path.parent.name for path in ROOT.glob("*/py.typed")}
    silent = [
        path
        for path in python_modules()
        if path.relative_to(ROOT).parts[0] in packages
        and path.read_text().strip()
        and not path.read_text().lstrip().startswith(('"""', 'r"""'))
    ]

    assert shown(silent) == []


def test_every_exemption_names_its_code_and_its_reason():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in python_modules()
        if not path.is_relative_to(ROOT / "tests")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if EXEMPTION.search(line) and not EXPLAINED_EXEMPTION.search(line)
    ]

    assert found == []


# Documents


def documents() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".md"]


def anchors(page: str) -> set[str]:
    """The fragments that a page's headings answer to, as GitHub spells them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_of_a_document_resolves():
    broken = []
    for path in documents():
        prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", prose):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, fragment = target.partition("#")
            page = (path.parent / name).resolve() if name else path
            if not page.exists() or (fragment and page.suffix == ".md" and fragment not in anchors(page.read_text())):
                broken.append(f"{path.relative_to(ROOT)}: {target}")

    assert broken == []


def test_changelog_keeps_its_format():
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    versions = [line for line in lines if line.startswith("## ")]
    sections = {line.removeprefix("### ") for line in lines if line.startswith("### ")}

    assert versions[0] == "## [Unreleased]"
    assert all(re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", line) for line in versions[1:])
    assert sections <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_decisions_are_numbered_without_gaps_and_state_their_status():
    records = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))

    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for path in records:
        text = path.read_text()
        assert {"## Status", "## Context", "## Decision", "## Consequences"} <= set(text.splitlines()), path.name


# Dependencies


def declared(group: str | None = None) -> dict[str, Requirement]:
    """Requirements of the project itself, or of a dependency group with what it includes."""
    entries = PYPROJECT["project"]["dependencies"] if group is None else PYPROJECT["dependency-groups"][group]
    found: dict[str, Requirement] = {}
    for entry in entries:
        if isinstance(entry, dict):
            found |= declared(entry["include-group"])
        else:
            requirement = Requirement(entry)
            found[canonicalize_name(requirement.name)] = requirement
    return found


def locked(name: str) -> dict[str, str]:
    pins = re.findall(r"^([a-z0-9][a-z0-9.-]*)==([^ \\;]+)", (ROOT / name).read_text(), re.MULTILINE)
    return dict(pins)


@pytest.mark.parametrize(
    ("lock", "requirements"),
    [
        ("requirements.lock", declared()),
        ("requirements-build.lock", declared("build")),
        ("requirements-dev.lock", declared() | declared("dev")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_lock_holds_what_is_declared(lock, requirements):
    pins = locked(lock)

    assert requirements.keys() <= pins.keys(), "run: make lock"
    assert [name for name, each in requirements.items() if not each.specifier.contains(pins[name])] == [], (
        "run: make lock"
    )


def test_tests_run_with_the_versions_that_are_shipped():
    assert locked("requirements.lock").items() <= locked("requirements-dev.lock").items(), "run: make lock"


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-build.lock", "requirements-dev.lock"])
def test_lock_names_hashes_and_no_index(lock):
    text = (ROOT / lock).read_text()

    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=[a-z0-9])", text)[1:])
    assert "index-url" not in text
    assert "://" not in text


@pytest.mark.parametrize("requirement", declared().values(), ids=lambda each: each.name)
def test_every_dependency_is_bounded_on_both_sides(requirement):
    operators = {each.operator for each in requirement.specifier}

    assert operators == {">=", "<"}


def test_what_is_imported_is_declared():
    """And not only there because something else needs it today."""
    packages, distributions = PYPROJECT["tool"]["importlinter"]["root_packages"], packages_distributions()
    imported = {
        (name.partition(".")[0], path.relative_to(ROOT))
        for path in python_modules()
        if path.relative_to(ROOT).parts[0] in packages
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _names_of(node)
    }
    foreign = {(name, path) for name, path in imported if name not in {*packages, *sys.stdlib_module_names}}

    assert foreign
    assert [
        (name, path)
        for name, path in sorted(foreign)
        if not declared().keys() & {canonicalize_name(each) for each in distributions.get(name, [])}
    ] == []


def _names_of(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [each.name for each in names]
        case ast.ImportFrom(module=str(module), level=0):
            return [module]
        case _:
            return []


@pytest.mark.parametrize("name", sorted(declared() | declared("dev")))
def test_every_dependency_has_a_reason(name):
    rows = re.findall(r"^\| `([^`]+)` \| (.+?) \|$", (ROOT / "docs/dependencies.md").read_text(), re.MULTILINE)

    assert canonicalize_name(name) in {canonicalize_name(row) for row, reason in rows if reason.strip()}
