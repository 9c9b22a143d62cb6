"""ClusterTrustBundles succeed one another: the new one first, the live label from the old one next, the old one last."""

from kube.trust.cluster_trust_bundles import Succession, name_for
from kube.trust.steps import Create, Delete, Foreign, Update
from tests.kube.trust.made_roots import pem_of, roots_of

OLD, BOTH, NEW = roots_of("old"), roots_of("old", "new", generation=2), roots_of("new", generation=3)
OVERLAP = 360.0


def stored(roots, *, live=True, ours=True, pem=None, **metadata):
    labels = {"chancery.dev/published-by": "registrar"} if ours else {}
    if live:
        labels["chancery.dev/live"] = "true"
    name = name_for(roots)
    return {
        "metadata": {"name": name, "uid": f"uid of {name}", "resourceVersion": "5", "labels": labels, **metadata},
        "spec": {"signerName": "chancery.dev/workload", "trustBundle": (pem or roots.pem).decode()},
    }


def steps(present, roots, now=0.0, succession=None):
    return list((succession or Succession(overlap=OVERLAP)).steps(present, roots, "certificates.k8s.io/v1", now))


def test_one_is_made_for_the_roots_before_an_old_one_is_touched():
    made = steps([stored(OLD)], BOTH)

    assert made == [
        Create(
            document={
                "apiVersion": "certificates.k8s.io/v1",
                "kind": "ClusterTrustBundle",
                "metadata": {
                    "name": name_for(BOTH),
                    "labels": {"chancery.dev/published-by": "registrar", "chancery.dev/live": "true"},
                },
                "spec": {"signerName": "chancery.dev/workload", "trustBundle": BOTH.pem.decode()},
            }
        )
    ]


def test_name_is_the_signers_and_of_the_set_of_roots():
    again = roots_of("new", "old", generation=9)

    assert name_for(BOTH).startswith("chancery.dev:workload:")
    assert name_for(again) == name_for(BOTH) != name_for(OLD)


def test_old_one_is_live_no_more_once_the_new_one_was_read_back_and_goes_after_the_overlap():
    succession = Succession(overlap=OVERLAP)
    unlabelled = steps([stored(OLD), stored(BOTH)], BOTH, 100.0, succession)
    resting = steps([stored(OLD, live=False), stored(BOTH)], BOTH, 101.0, succession)
    left = succession.next_look(101.0)
    ended = steps([stored(OLD, live=False), stored(BOTH)], BOTH, 100.0 + OVERLAP, succession)

    assert unlabelled == [
        Update(
            name=name_for(OLD),
            patch={"metadata": {"resourceVersion": "5", "labels": {"chancery.dev/live": None}}},
        )
    ]
    assert resting == []
    assert left == OVERLAP - 1
    assert ended == [Delete(name=name_for(OLD), uid=f"uid of {name_for(OLD)}", resource_version="5")]


def test_overlap_begins_when_the_new_one_was_read_back():
    succession = Succession(overlap=OVERLAP)
    steps([stored(OLD)], BOTH, 0.0, succession)
    steps([stored(OLD, live=False), stored(BOTH)], BOTH, 1000.0, succession)

    assert steps([stored(OLD, live=False), stored(BOTH)], BOTH, 1001.0, succession) == []


def test_one_that_comes_back_into_force_is_live_again():
    [step] = steps([stored(OLD, live=False), stored(BOTH)], OLD)

    assert step.name == name_for(OLD)
    assert step.patch["metadata"]["labels"] == {"chancery.dev/live": "true"}


def test_contents_that_somebody_changed_are_restored():
    [emptier] = steps([stored(BOTH, pem=pem_of("old"))], BOTH)
    [garbled] = steps([stored(BOTH, pem=b"garbage")], BOTH)

    assert emptier.patch["spec"] == {"trustBundle": BOTH.pem.decode()}
    assert (emptier.was_garbage, garbled.was_garbage) == (False, True)


def test_what_is_not_ours_stays():
    foreign = stored(OLD, ours=False)
    other = stored(BOTH, ours=False)

    assert steps([foreign, stored(BOTH)], BOTH) == []
    assert steps([other], BOTH) == [Foreign(name=name_for(BOTH))]


def test_one_that_is_being_deleted_is_waited_for():
    assert steps([stored(BOTH, deletionTimestamp="now")], BOTH) == []


def test_everything_at_rest_is_left_alone():
    succession = Succession(overlap=OVERLAP)

    assert steps([stored(NEW)], NEW, 0.0, succession) == []
    assert succession.next_look(0.0) is None
