"""docs/conformance.md names tests that there are."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parents[1] / "docs" / "conformance.md"


def references():
    """(file or folder, test or "") of the last column of each table."""
    for line in PAGE.read_text().splitlines():
        if not line.startswith("| ") or "`" not in line.rpartition(" | ")[2]:
            continue
        file = ""
        for name in re.findall(r"`([^`]+)`", line.rpartition(" | ")[2]):
            if name.startswith("test_") and not name.endswith(".py"):
                yield file, name
            elif name.endswith((".py", "/")) and name != "bench/":
                file = name
                yield file, ""


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def test_files_and_tests_that_the_page_names_are_there():
    found = list(references())
    strangers = [
        (file, test)
        for file, test in found
        if not (TESTS / file).exists() or (test and test not in functions(TESTS / file))
    ]

    assert len(found) > 100
    assert strangers == []


def test_every_clause_says_what_shows_it():
    clauses = [line for line in PAGE.read_text().partition("## What is not there")[0].splitlines() if "|" in line]
    rows = [line for line in clauses if line.startswith("| ") and not line.rstrip(" |").endswith("shown by")]

    assert len(rows) > 60
    assert [row for row in rows if "`" not in row.rpartition(" | ")[2]] == []
