"""The roots in a Secret: published after they are durable, never older than before, never over those of another authority."""

from collections.abc import Callable, Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.cluster.roots import AUTHORITY, GENERATION, TRUST_DOMAIN, RootsPublication, find_published, verify_belongs
from ca.errors import AuthorityLost, AuthorityMismatch, SecretMalformed
from ca.hierarchy import TrustBundle
from certs.pem import join_certificates
from store.records import AuthorityRecord
from tests.ca.cluster.fake_secrets import FakeSecrets
from tests.ca.hierarchies import authority

NAME = "chancery-roots"
ROOTS = [authority(f"Root {number}").certificate for number in range(3)]


class State:
    """What the store holds at a moment; the roots in `active` are trusted."""

    def __init__(self, *active: x509.Certificate, first: str = "a" * 32) -> None:
        self.first = first
        self.generation = 0
        self.known: list[x509.Certificate] = []
        self.turn_to(*active)

    def turn_to(self, *active: x509.Certificate) -> None:
        self.active = active
        self.known += [root for root in active if root not in self.known]
        self.generation += 1

    def look(self) -> tuple[Sequence[AuthorityRecord], TrustBundle]:
        records = [
            AuthorityRecord(
                id=self.first if not number else f"{number:032x}",
                profile="root",
                subject="CN=Root",
                certificate=root.public_bytes(Encoding.DER),
                state="active" if root in self.active else "retired",
                created_at=0,
                generation=self.generation,
            )
            for number, root in enumerate(self.known)
        ]
        return records, TrustBundle(generation=self.generation, roots=self.active)

    def publication(self, secrets: FakeSecrets, trust_domain: str = "cluster.local") -> RootsPublication:
        return RootsPublication(secrets=secrets.store(), name=NAME, trust_domain=trust_domain, look=self.look)


def published(secrets: FakeSecrets) -> bytes:
    return secrets.value(NAME, "ca.crt")


def test_roots_are_published_with_whose_they_are() -> None:
    secrets, state = FakeSecrets(), State(ROOTS[0])

    assert state.publication(secrets).publish() == 1

    assert published(secrets) == join_certificates(ROOTS[:1])
    assert secrets.annotations(NAME) == {AUTHORITY: "a" * 32, TRUST_DOMAIN: "cluster.local", GENERATION: "1"}


def test_what_is_up_to_date_is_not_written_again() -> None:
    secrets, state = FakeSecrets(), State(ROOTS[0])
    state.publication(secrets).publish()
    secrets.asked.clear()

    state.publication(secrets).publish()

    assert secrets.asked == ["GET"]


def test_rotation_is_followed_by_union_and_what_others_wrote_stays() -> None:
    secrets, state = FakeSecrets(), State(ROOTS[0])
    state.publication(secrets).publish()
    secrets.objects[NAME]["metadata"]["labels"] = {"team": "platform"}
    secrets.objects[NAME]["metadata"]["annotations"]["note"] = "theirs"
    secrets.objects[NAME]["data"]["other"] = "b3RoZXI="
    for active in (ROOTS[:2], ROOTS[1:2]):
        state.turn_to(*active)
        state.publication(secrets).publish()
        assert published(secrets) == join_certificates(active)

    assert secrets.objects[NAME]["metadata"]["labels"] == {"team": "platform"}
    assert secrets.annotations(NAME)["note"] == "theirs"
    assert secrets.value(NAME, "other") == b"other"
    assert secrets.annotations(NAME)[AUTHORITY] == "a" * 32


def test_of_two_who_publish_at_once_none_takes_back_what_the_other_has_published() -> None:
    """Each of the two is overtaken at its write, by one that knows of a later rotation."""
    secrets, state = FakeSecrets(), State(ROOTS[0])

    def overtake(*roots: x509.Certificate) -> None:
        state.turn_to(*roots)
        state.publication(secrets).publish()

    secrets.interlude["POST"] = lambda: overtake(*ROOTS[:2])
    assert state.publication(secrets).publish() == 2
    state.turn_to(*ROOTS)
    secrets.interlude["PUT"] = lambda: overtake(ROOTS[2])
    assert state.publication(secrets).publish() == 4

    assert published(secrets) == join_certificates(ROOTS[2:])


def test_secret_that_was_deleted_is_made_again() -> None:
    secrets, state = FakeSecrets(), State(ROOTS[0])
    state.publication(secrets).publish()
    state.turn_to(*ROOTS[:2])
    secrets.interlude["PUT"] = secrets.objects.clear

    state.publication(secrets).publish()

    assert published(secrets) == join_certificates(ROOTS[:2])


@pytest.mark.parametrize("spoilt", [b"", b"garbage", join_certificates(ROOTS[2:])])
def test_what_others_did_to_it_is_undone(spoilt: bytes) -> None:
    secrets, state = FakeSecrets(), State(ROOTS[0])
    state.publication(secrets).publish()
    secrets.put_there(NAME, {"ca.crt": spoilt}, **secrets.annotations(NAME))

    state.publication(secrets).publish()

    assert published(secrets) == join_certificates(ROOTS[:1])


@pytest.mark.parametrize("data", [None, {}, {"ca.crt": b"\n"}])
def test_secret_that_was_made_empty_is_filled(data: dict[str, bytes] | None) -> None:
    secrets = FakeSecrets()
    secrets.put_there(NAME, data, owner="gitops")

    State(ROOTS[0]).publication(secrets).publish()

    assert published(secrets) == join_certificates(ROOTS[:1])


def test_roots_that_lost_their_annotations_are_known_by_themselves() -> None:
    secrets = FakeSecrets()
    secrets.put_there(NAME, {"ca.crt": join_certificates(ROOTS[:1])})

    State(ROOTS[0]).publication(secrets).publish()

    assert secrets.annotations(NAME)[AUTHORITY] == "a" * 32


def another(secrets: FakeSecrets) -> None:
    State(ROOTS[1], first="b" * 32).publication(secrets).publish()


def of_nobody(secrets: FakeSecrets) -> None:
    secrets.put_there(NAME, {"ca.crt": join_certificates(ROOTS[1:])})


def of_another_trust_domain(secrets: FakeSecrets) -> None:
    State(ROOTS[0]).publication(secrets, "other.example").publish()


def of_a_later_generation(secrets: FakeSecrets) -> None:
    state = State(ROOTS[0])
    state.turn_to(*ROOTS[:2])
    state.publication(secrets).publish()


def something_else(secrets: FakeSecrets) -> None:
    secrets.put_there(NAME, {"ca.crt": b"a password"})


@pytest.mark.parametrize(
    ("there", "failure", "advice"),
    [
        (another, AuthorityMismatch, "another authority"),
        (of_nobody, AuthorityMismatch, "another authority"),
        (of_another_trust_domain, AuthorityMismatch, "trust domain other.example"),
        (of_a_later_generation, AuthorityMismatch, "taken back"),
        (something_else, SecretMalformed, "no certificates"),
    ],
)
def test_what_is_not_ours_is_refused_and_left_alone(
    there: Callable[[FakeSecrets], None], failure: type[Exception], advice: str
) -> None:
    secrets = FakeSecrets()
    there(secrets)
    before = secrets.objects[NAME]
    secrets.asked.clear()

    with pytest.raises(failure, match=advice):
        State(ROOTS[0]).publication(secrets).publish()

    assert secrets.objects[NAME] == before
    assert secrets.asked == ["GET"]


def test_authority_that_was_lost_is_told_and_what_to_do() -> None:
    secrets = FakeSecrets()
    State(ROOTS[0]).publication(secrets).publish()
    found = find_published(secrets.store(), NAME)

    with pytest.raises(AuthorityLost, match=r"ca-cli restore.*kubectl delete secret chancery-roots"):
        verify_belongs(found, (), "cluster.local")


def test_nothing_published_speaks_against_no_first_start() -> None:
    verify_belongs(None, (), "cluster.local")
    verify_belongs(None, State(ROOTS[0]).look()[0], "cluster.local")


@pytest.mark.parametrize("text", ["", "x", "-1", "9" * 40, "٣"])
def test_odd_generation_counts_as_none(text: str) -> None:
    secrets = FakeSecrets()
    secrets.put_there(NAME, {}, **{AUTHORITY: "a" * 32, GENERATION: text})
    found = find_published(secrets.store(), NAME)

    assert found is not None
    assert found.generation == 0
