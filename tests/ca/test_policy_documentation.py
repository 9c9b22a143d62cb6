"""docs/policy.md says what the code does."""

import re
from pathlib import Path

import pytest

from ca.callers import Caller
from ca.policy import Operation, Policy, PolicyRequest
from ca.policy.document import ORDINARY_PROFILES
from ca.policy.placeholders import Placeholder
from ca.policy.terms import RESERVED_PREFIXES
from certs.keys import KeyType
from certs.names import SpiffeId, SubjectAlternativeNames
from certs.profiles import PROFILES

_DOCUMENTATION = Path(__file__).parents[2] / "docs"
_PAGE = (_DOCUMENTATION / "policy.md").read_text(encoding="utf-8")
_EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)
_REGISTRAR = re.search(
    r"^```yaml\n(apiVersion: chancery.dev.*?)^```$",
    (_DOCUMENTATION / "kubernetes.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize("document", _EXAMPLES)
def test_every_example_is_a_policy(document):
    assert Policy.parse(document).rules


def test_the_example_for_a_registrar_lets_that_service_account_register_and_no_other():
    assert _REGISTRAR is not None
    policy = Policy.parse(_REGISTRAR[1])

    def allows(service_account: str) -> bool:
        spiffe_id = SpiffeId.parse(f"spiffe://cluster.local/ns/chancery/sa/{service_account}")
        names = SubjectAlternativeNames.parse(
            uris=["spiffe://cluster.local/ns/shop/sa/cart"], dns=["cart.shop", "cart.shop.svc.cluster.local"]
        )
        caller = Caller.hypothetical(spiffe_id=spiffe_id)
        request = PolicyRequest(caller=caller, operation=Operation.REGISTER, profile="workload", names=names)
        return policy.decide(request).allowed

    assert allows("chancery-registrar")
    assert not allows("default")


def test_the_page_names_every_word_of_the_format():
    words = [*map(str, Operation), *map(str, KeyType), *PROFILES, *RESERVED_PREFIXES, *ORDINARY_PROFILES]

    assert [word for word in words if f"`{word}`" not in _PAGE] == []
    assert [word for word in Placeholder if f"`{{{word}}}`" not in _PAGE] == []


def test_the_sentence_on_the_page_is_the_one_that_is_answered():
    decision = Policy.parse(_EXAMPLES[0]).decide(
        PolicyRequest(
            caller=Caller.hypothetical(common_name="alice", organizations=("team-a",)),
            operation=Operation.ISSUE,
            profile="server",
            names=SubjectAlternativeNames.parse(dns=["evil.example.org"]),
            key_type=KeyType.EC_P256,
        )
    )

    assert f"\n{decision.explanation}\n" in _PAGE


def test_the_example_for_workloads_gives_service_names():
    decision = Policy.parse(_EXAMPLES[1]).decide(
        PolicyRequest(
            caller=Caller.hypothetical(spiffe_id=SpiffeId.parse("spiffe://cluster.local/ns/shop/sa/cart")),
            operation=Operation.ISSUE,
            profile="workload",
            names=SubjectAlternativeNames.parse(
                uris=["spiffe://cluster.local/ns/shop/sa/cart"], dns=["cart.shop.svc", "cart.shop.svc.cluster.local"]
            ),
            key_type=KeyType.EC_P256,
        )
    )

    assert decision.allowed
