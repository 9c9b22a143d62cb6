"""A start in a cluster: created or adopted, and whatever does not fit together stopped, said in one line and told as an Event."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from ca.callers import Caller
from ca.calls import Call
from ca.cluster.events import SecretEvents
from ca.cluster.faults import NoAnswer
from ca.cluster.own_namespace import OwnNamespace
from ca.cluster.roots import AUTHORITY
from ca.cluster.secrets import Patience
from ca.errors import (
    AuthorityLost,
    AuthorityMismatch,
    ClusterRefused,
    ClusterUnavailable,
    Misconfigured,
    PassphraseLost,
    SecretMalformed,
    SettingsInvalid,
)
from ca.office import Office
from certs.errors import PassphraseError, WrongPassphrase
from certs.pem import split_certificates
from tests.ca.cluster.api_server import FakeApiServer
from tests.ca.cluster.fake_secrets import NAMESPACE, FakeSecrets
from tests.ca.offices import CountedEntropy, Premises
from tests.ca.test_backup import back_up, restore

PASSPHRASE, ROOTS = "chancery-passphrase", "chancery-roots"


@dataclass(slots=True, kw_only=True)
class Pod:
    """Its volume, and the namespace that it shares with others."""

    premises: Premises
    kubeconfig: Path
    secrets: FakeSecrets

    @contextmanager
    def start(self, **settings: object) -> Iterator[Office]:
        named = {"kubernetes_passphrase_secret": PASSPHRASE, "kubernetes_roots_secret": ROOTS}
        reached = {"kubernetes_namespace": NAMESPACE, "kubernetes_kubeconfig": self.kubeconfig}
        with self.premises.open(**named | reached | settings) as office:
            yield office

    def refuses(self, expected: type[Misconfigured | PassphraseError], **settings: object) -> str:
        before = dict(self.secrets.objects)
        with pytest.raises(expected) as refused, self.start(**settings):
            pass
        assert self.secrets.objects == before
        return str(refused.value)

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """What the Events say, and about which Secret."""
        return [(event["reason"], event["involvedObject"]["name"]) for event in self.secrets.events.values()]


def pod_of(cluster: FakeApiServer, volume: Path) -> Pod:
    secrets = FakeSecrets()
    cluster.answer = secrets.answer
    return Pod(premises=Premises(directory=volume), kubeconfig=cluster.kubeconfig, secrets=secrets)


@pytest.fixture
def pod(founded_once: Pod, cluster: FakeApiServer, tmp_path: Path) -> Pod:
    return pod_of(cluster, tmp_path / "volume")


@pytest.fixture(scope="module")
def founded_once(shared_cluster: FakeApiServer, tmp_path_factory: pytest.TempPathFactory) -> Pod:
    """To be copied, since founding takes its time."""
    pod = pod_of(shared_cluster, tmp_path_factory.mktemp("founded") / "volume")
    with pod.start():
        return pod


@pytest.fixture
def founded(founded_once: Pod, pod: Pod) -> Pod:
    shutil.copytree(founded_once.premises.directory, pod.premises.directory)
    pod.premises.entropy = CountedEntropy(start=1_000_000)
    pod.secrets.objects.update(founded_once.secrets.objects)
    pod.secrets.start_after(1_000)
    return pod


def another_pod(pod: Pod, volume: Path) -> Pod:
    premises = Premises(directory=volume, entropy=CountedEntropy(start=5_000_000))
    return Pod(premises=premises, kubeconfig=pod.kubeconfig, secrets=pod.secrets)


def test_first_start_makes_passphrase_and_hierarchy_and_publishes_the_roots(pod: Pod) -> None:
    with pod.start() as office:
        assert office.founded
        assert office.passphrase_source == f"Secret {PASSPHRASE}"
        assert pod.secrets.value(ROOTS, "ca.crt") == office.issuers.bundle.pem
    assert not (pod.premises.directory / "passphrase").exists()
    assert not pod.secrets.events


def test_later_starts_adopt_and_write_nothing(founded: Pod) -> None:
    before = dict(founded.secrets.objects)

    with founded.start() as office:
        assert not office.founded

    assert founded.secrets.objects == before


@pytest.mark.parametrize("moment", ["after the passphrase", "before the roots are published"])
def test_first_start_that_was_cut_off_is_finished_by_the_next(pod: Pod, moment: str) -> None:
    """By a refusal here; SIGKILL is tried with real processes."""
    refusal = NoAnswer("no", again=False)
    refuse_at = {"after the passphrase": [refusal], "before the roots are published": [refusal] * 2}[moment]
    if moment == "after the passphrase":
        pod.secrets.lost.extend(refuse_at)
    else:
        pod.secrets.interlude["POST"] = lambda: pod.secrets.interlude.update(
            POST=lambda: pod.secrets.failures.append(refusal)
        )
    with pytest.raises(ClusterRefused), pod.start():
        pass
    passphrase = pod.secrets.value(PASSPHRASE, "passphrase")
    pod.secrets.failures.clear()

    with pod.start() as office:
        assert pod.secrets.value(ROOTS, "ca.crt") == office.issuers.bundle.pem
    assert pod.secrets.value(PASSPHRASE, "passphrase") == passphrase


def test_volume_that_was_lost_gets_no_new_authority(founded: Pod) -> None:
    shutil.rmtree(founded.premises.directory)

    assert "ca-cli restore" in founded.refuses(AuthorityLost)
    assert "ca-cli restore" in founded.refuses(AuthorityLost)

    assert founded.reasons == [("AuthorityLost", ROOTS)]
    assert not list((founded.premises.directory / "keys").glob("*"))


def test_both_lost_no_passphrase_is_made_for_nothing(founded: Pod) -> None:
    shutil.rmtree(founded.premises.directory)
    del founded.secrets.objects[PASSPHRASE]

    founded.refuses(AuthorityLost)


def test_new_authority_is_made_once_somebody_has_deleted_the_roots(founded: Pod) -> None:
    shutil.rmtree(founded.premises.directory)
    del founded.secrets.objects[ROOTS]

    with founded.start() as office:
        assert office.founded


def test_passphrase_that_was_lost_is_not_made_anew(founded: Pod) -> None:
    kept = founded.secrets.objects.pop(PASSPHRASE)

    assert "kubectl create secret" in founded.refuses(PassphraseLost)
    assert founded.reasons == [("PassphraseLost", PASSPHRASE)]

    founded.secrets.objects[PASSPHRASE] = kept
    with founded.start():
        pass


def test_passphrase_that_does_not_open_the_keys_is_told(founded: Pod) -> None:
    founded.secrets.put_there(PASSPHRASE, {"passphrase": b"another"})

    assert PASSPHRASE in founded.refuses(WrongPassphrase)
    assert founded.reasons == [("WrongPassphrase", PASSPHRASE)]


def test_malformed_passphrase_stops_the_first_start_too(pod: Pod) -> None:
    pod.secrets.put_there(PASSPHRASE, {})

    pod.refuses(SecretMalformed)

    assert pod.reasons == [("SecretMalformed", PASSPHRASE)]


def test_roots_of_another_trust_domain_stop_the_start(founded: Pod) -> None:
    assert "trust domain cluster.local" in founded.refuses(AuthorityMismatch, trust_domain="other.example")
    assert founded.reasons == [("AuthorityMismatch", ROOTS)]


def test_second_volume_gets_no_authority_of_its_own(founded: Pod, tmp_path: Path) -> None:
    another_pod(founded, tmp_path / "second").refuses(AuthorityLost)


def test_of_two_volumes_that_start_at_once_one_authority_serves(pod: Pod, tmp_path: Path) -> None:
    """SQLite in each: the second learns of the first when it publishes, before it has issued anything."""
    first = another_pod(pod, tmp_path / "first")

    def overtake() -> None:
        with first.start():
            pass

    pod.secrets.interlude["POST"] = lambda: pod.secrets.interlude.update(POST=overtake)
    with pytest.raises((AuthorityMismatch, WrongPassphrase)), pod.start():
        pass

    with first.start() as office:
        assert pod.secrets.value(ROOTS, "ca.crt") == office.issuers.bundle.pem


def test_authority_that_served_before_publishes_its_roots(premises: Premises, pod: Pod) -> None:
    pod.premises = premises

    with pod.start(kubernetes_passphrase_secret="") as office:
        assert pod.secrets.value(ROOTS, "ca.crt") == office.issuers.bundle.pem
        assert office.passphrase_source == str(premises.directory / "passphrase")


def test_passphrase_beside_the_keys_is_not_overlooked_where_a_secret_is_named(premises: Premises, pod: Pod) -> None:
    pod.premises = premises

    pod.refuses(PassphraseLost)


def test_database_that_was_taken_back_to_before_a_rotation_is_told(founded: Pod, tmp_path: Path) -> None:
    shutil.copytree(founded.premises.directory, tmp_path / "earlier")
    with founded.start(rotation_overlap="0s", rotation_settle="1s") as office:
        office.rotations.start("root", "emergency", Call(caller=Caller.local(), id="test"))
        publication = office.namespace and office.namespace.publication(office.issuers, at_the_start=False)
        assert publication is not None
        assert publication.publish() == office.issuers.bundle.generation
    assert len(split_certificates(founded.secrets.value(ROOTS, "ca.crt"))) >= 1
    founded.premises = Premises(directory=tmp_path / "earlier")

    assert "taken back" in founded.refuses(AuthorityMismatch)


def test_refused_request_for_an_event_is_not_in_the_way(founded: Pod) -> None:
    shutil.rmtree(founded.premises.directory)
    refusal = NoAnswer("403", again=False)
    founded.secrets.interlude["POST"] = lambda: founded.secrets.failures.append(refusal)

    founded.refuses(AuthorityLost)

    assert not founded.secrets.events


def test_event_is_as_the_cluster_wants_it(founded: Pod) -> None:
    founded.secrets.objects.pop(PASSPHRASE)
    message = founded.refuses(PassphraseLost)

    (event,) = founded.secrets.events.values()

    assert event["metadata"]["namespace"] == event["involvedObject"]["namespace"] == NAMESPACE
    assert event["message"] == message
    assert event["type"] == "Warning"
    assert event["firstTimestamp"] == "2026-11-21T12:00:00Z"


def test_secret_is_marked_with_the_first_root(founded: Pod) -> None:
    founded.premises.clock.advance(timedelta(hours=1))
    with founded.start() as office:
        first = office.authorities.list()[0]

    assert (first.profile, founded.secrets.annotations(ROOTS)[AUTHORITY]) == ("root", first.id)


def test_without_an_answer_a_first_start_ends_and_a_later_one_goes_on(premises: Premises) -> None:
    silent = FakeSecrets(failures=[NoAnswer("503", again=True)] * 2)
    namespace = OwnNamespace(
        connection=silent,  # type: ignore[arg-type]  # has its methods
        namespace=NAMESPACE,
        events=SecretEvents(connection=silent, namespace=NAMESPACE, clock=premises.clock),  # type: ignore[arg-type]
        passphrase_secret="",
        roots_secret=ROOTS,
        trust_domain="cluster.local",
        patience=Patience(attempts=1),
    )
    with premises.open() as office:
        namespace.verify_roots(office.authorities.list)

    with pytest.raises(ClusterUnavailable):
        namespace.verify_roots(lambda: ())


def test_volume_that_was_lost_is_restored_and_goes_on_below_the_same_roots(founded: Pod, tmp_path: Path) -> None:
    """The start that was refused has left it as empty as it was."""
    back_up(founded.premises, tmp_path / "backup")
    published = founded.secrets.value(ROOTS, "ca.crt")
    shutil.rmtree(founded.premises.directory)
    founded.refuses(AuthorityLost)

    restore(founded.premises, tmp_path / "backup")

    with founded.start() as office:
        assert not office.founded
        assert office.issuers.active()
        assert office.issuers.bundle.pem == published


def test_default_policy_names_the_registrar(pod: Pod) -> None:
    with pod.start(kubernetes_registrar=f"{NAMESPACE}/chancery-controller") as office:
        assert f"spiffe://cluster.local/ns/{NAMESPACE}/sa/chancery-controller" in office.policy().document


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"kubernetes_namespace": ""}, "kubernetes_namespace"),
        ({"kubernetes_namespace": "../kube-system"}, "kubernetes_namespace"),
        ({"kubernetes_roots_secret": "a/b"}, "kubernetes_roots_secret"),
        ({"kubernetes_passphrase_secret": "Upper"}, "kubernetes_passphrase_secret"),
        ({"kubernetes_roots_secret": PASSPHRASE}, "must differ"),
        ({"kubernetes_registrar": "chancery"}, "kubernetes_registrar"),
        ({"kubernetes_registrar": "chancery/*"}, "kubernetes_registrar"),
        ({"kubernetes_registrar": "a/b/c"}, "kubernetes_registrar"),
        ({"passphrase_file": "/run/passphrase"}, "passphrase_file"),
        ({"kubernetes_kubeconfig": None}, "in no pod of a cluster"),
    ],
)
def test_settings_that_contradict_each_other_stop_the_start(pod: Pod, settings: dict[str, object], fault: str) -> None:
    with pytest.raises(SettingsInvalid, match=fault), pod.start(**settings):
        pass
