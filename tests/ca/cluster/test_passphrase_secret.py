"""The passphrase in a Secret: made once, adopted by all, never made anew."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.cluster.faults import NoAnswer
from ca.cluster.passphrase import ensure_passphrase_secret
from ca.errors import ClusterRefused, ClusterUnavailable, PassphraseLost, SecretMalformed
from tests.ca.cluster.fake_secrets import FakeSecrets
from tests.ca.offices import CountedEntropy

NAME = "chancery-passphrase"
GONE = NoAnswer("connection refused", again=True)


def ensure(secrets: FakeSecrets, *, start: int = 0, anything_kept: bool = False) -> bytes:
    found = ensure_passphrase_secret(secrets.store(), NAME, CountedEntropy(start), anything_kept=anything_kept)
    assert found.source == f"Secret {NAME}"
    assert not found.beside_keys
    return found.octets


def test_first_start_makes_one_and_later_ones_adopt_it() -> None:
    secrets = FakeSecrets()

    made = ensure(secrets)

    assert secrets.value(NAME, "passphrase") == made
    assert len(made) == 48
    assert secrets.objects[NAME]["type"] == "Opaque"
    assert ensure(secrets, start=1000, anything_kept=True) == made


def test_one_that_a_human_made_is_adopted_without_its_line_break() -> None:
    secrets = FakeSecrets()
    secrets.put_there(NAME, {"passphrase": b"correct horse\n"})

    assert ensure(secrets) == b"correct horse"
    assert secrets.asked == ["GET"]


def test_who_comes_second_adopts_what_the_first_has_made() -> None:
    secrets, first = FakeSecrets(), []
    secrets.interlude["POST"] = lambda: first.append(ensure(secrets, start=1000))

    second = ensure(secrets)

    assert [second] == first


def test_answer_that_got_lost_is_no_reason_to_make_another() -> None:
    secrets = FakeSecrets(lost=[GONE])

    made = ensure(secrets)

    assert secrets.value(NAME, "passphrase") == made
    assert secrets.asked == ["GET", "POST", "POST", "GET"]


def test_one_that_is_lost_is_not_made_anew_where_there_are_keys() -> None:
    secrets = FakeSecrets()

    with pytest.raises(PassphraseLost, match="kubectl create secret generic chancery-passphrase"):
        ensure(secrets, anything_kept=True)

    assert not secrets.objects


@pytest.mark.parametrize(
    "data", [None, {}, {"password": b"x"}, {"passphrase": b""}, {"passphrase": b"\n"}, {"passphrase": b"x" * 20_000}]
)
@pytest.mark.parametrize("anything_kept", [False, True])
def test_malformed_one_is_refused_and_left_as_it_is(data: dict[str, bytes] | None, *, anything_kept: bool) -> None:
    secrets = FakeSecrets()
    secrets.put_there(NAME, data)

    with pytest.raises(SecretMalformed, match=NAME):
        ensure(secrets, anything_kept=anything_kept)

    assert set(secrets.asked) == {"GET"}


def test_what_is_no_base64_is_refused() -> None:
    secrets = FakeSecrets()
    secrets.put_there(NAME, {})
    secrets.objects[NAME]["data"] = {"passphrase": "not base64!"}

    with pytest.raises(SecretMalformed):
        ensure(secrets)


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner))
)
def test_answer_that_is_no_secret_is_no_answer(data: object) -> None:
    secrets = FakeSecrets()
    secrets.objects[NAME] = {"kind": "Secret", "metadata": data, "data": data}

    with pytest.raises((ClusterUnavailable, SecretMalformed)):
        ensure(secrets)


def test_api_server_that_comes_back_is_waited_for_and_one_that_does_not_ends_the_start() -> None:
    assert ensure(patient := FakeSecrets(failures=[GONE, GONE]))
    assert patient.naps == [0.5, 1.0]

    with pytest.raises(ClusterUnavailable):
        ensure(FakeSecrets(failures=[GONE] * 3))


def test_refusal_is_not_repeated_and_says_where_the_rights_are_listed() -> None:
    secrets = FakeSecrets(failures=[NoAnswer("the cluster refuses GET: 403 Forbidden", again=False)])

    with pytest.raises(ClusterRefused, match=r"docs/kubernetes\.md"):
        ensure(secrets)

    assert not secrets.naps
