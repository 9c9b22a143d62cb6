"""docs/signers.md says what the code does."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ca.policy import Policy
from kube.signers.issuers import KINDS, IssuerTerms
from kube.signers.settings import PROFILES
from kube.signers.usages import fault_of_usages

_ROOT = Path(__file__).parents[3]
_PAGE = (_ROOT / "docs" / "signers.md").read_text(encoding="utf-8")
_DOCUMENTS: list[dict[str, Any]] = [
    document for block in re.findall(r"```yaml\n(.*?)```", _PAGE, re.DOTALL) for document in yaml.safe_load_all(block)
]
_SOURCES = "".join(path.read_text(encoding="utf-8") for path in (_ROOT / "kube" / "signers").glob("*.py"))
_OF_THE_AUTHORITY = {"PolicyDenied", "PodReleased", "WeakKey"}


def row(name: str) -> list[str]:
    """The cells of the table of signers that begins with this one."""
    line = next(line for line in _PAGE.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_example_of_a_policy_is_one():
    (document,) = [one for one in _DOCUMENTS if one.get("kind") == "Policy"]

    assert Policy.parse(yaml.safe_dump(document))


@pytest.mark.parametrize(
    "document", [one for one in _DOCUMENTS if one.get("kind") in KINDS], ids=lambda one: one["kind"]
)
def test_examples_of_issuers_make_sense(document: dict[str, Any]):
    assert IssuerTerms.from_document(document) != IssuerTerms()


def test_usages_and_profiles_are_those_of_the_signers():
    profiles = [cell.strip("`") for cell in row("profile")]
    usages = [cell.split(", ") for cell in row("usages, all of them")]

    assert profiles == list(PROFILES.values())
    assert [fault_of_usages(one, profile=profile) for one, profile in zip(usages, profiles, strict=True)] == [""] * 3


def test_reasons_are_those_that_are_written():
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", _PAGE))
    kinds = {"ConfigMap", "CertificateSigningRequest", "PodCertificateRequest", "CertificateRequest"}

    for reason in named - kinds - _OF_THE_AUTHORITY:
        assert f'"{reason}"' in _SOURCES, reason


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)[^)]*\)", _PAGE))
def test_links_lead_somewhere(link: str):
    assert (_ROOT / "docs" / link).exists()
