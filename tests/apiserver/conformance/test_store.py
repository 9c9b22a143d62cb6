"""What k8s.io/apiserver/pkg/storage/testing/store_tests.go asks of a store, asked of the server.

Names of tests and cases are upstream's, so that a reader can match them.
"""

import base64
import json

import pytest

from tests.apiserver.conformance.pods import GROUP, Pods, names, pod, revision

FUTURE = 1 << 50


def token(at, after):
    octets = json.dumps({"v": "meta.k8s.io/v1", "rv": at, "start": f"{after}\0"}).encode()
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def whole(pods, **query):
    """All pages of a list, each of which is as long as it may be and of one revision."""
    found, revisions, more = [], set(), {}
    while True:
        page = pods.list(**query, **more)
        assert page.status == 200, page.octets
        found.append(names(page))
        revisions.add(revision(page.document))
        if "continue" not in page.document["metadata"]:
            assert len(revisions) == 1
            return found
        more = {"continue": page.document["metadata"]["continue"]}


# Get


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        pytest.param(None, 200, id="get existing"),
        pytest.param("0", 200, id="resource version 0"),
        pytest.param("created", 200, id="object created resource version"),
        pytest.param("current", 200, id="latest resource version"),
        pytest.param(str(FUTURE), 504, id="too high resource version"),
    ],
)
def test_get(pods, asked, status):
    created = pods.create("a")
    pods.label("a", x="y")
    known = {"created": str(created), "current": str(pods.present)}

    answer = pods.get("a", **({} if asked is None else {"resourceVersion": known.get(asked, asked)}))

    assert answer.status == status
    if status == 200:
        assert answer.document["metadata"]["labels"] == {"x": "y"}
    else:
        assert answer.message.startswith(f"Timeout: Too large resource version: {FUTURE}, current: ")


def test_get_non_existing(pods):
    assert (pods.get("a").status, pods.get("a").reason) == (404, "NotFound")


# List


@pytest.fixture(scope="module")
def listed(api):
    """Two pods of which the second has changed, and what revisions there were."""
    pods = Pods(api=api, namespace="listed")
    before = pods.present
    first = pods.create("bar")
    second = pods.create("foo", node="n1")
    changed = pods.label("foo", x="y")
    return pods, {"before": before, "first": first, "second": second, "changed": changed, "current": changed}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({}, ["bar", "foo"], id="list existing key"),
        pytest.param({"resourceVersion": "0"}, ["bar", "foo"], id="RV=0"),
        pytest.param(
            {"resourceVersion": "0", "resourceVersionMatch": "NotOlderThan"}, ["bar", "foo"], id="RV=0, NotOlderThan"
        ),
        pytest.param({"resourceVersion": "0", "resourceVersionMatch": "Exact"}, 422, id="RV=0, Exact"),
        pytest.param({"resourceVersion": "0", "resourceVersionMatch": "Invalid"}, 422, id="RV=0, Invalid"),
        pytest.param({"resourceVersion": "current"}, ["bar", "foo"], id="current"),
        pytest.param(
            {"resourceVersion": "current", "resourceVersionMatch": "Exact"}, ["bar", "foo"], id="current, Exact"
        ),
        pytest.param(
            {"resourceVersion": "current", "resourceVersionMatch": "NotOlderThan"},
            ["bar", "foo"],
            id="current, NotOlderThan",
        ),
        pytest.param(
            {"resourceVersion": "second", "resourceVersionMatch": "Exact"}, ["bar", "foo"], id="before update"
        ),
        pytest.param({"resourceVersion": "first", "resourceVersionMatch": "Exact"}, ["bar"], id="before creation"),
        pytest.param(
            {"resourceVersion": "before", "resourceVersionMatch": "Exact"}, [], id="before first write, Exact"
        ),
        pytest.param(
            {"resourceVersion": "before", "resourceVersionMatch": "NotOlderThan"},
            ["bar", "foo"],
            id="before first write, NotOlderThan",
        ),
        pytest.param(
            {"resourceVersion": "before", "resourceVersionMatch": "Invalid"}, 422, id="before first write, Invalid"
        ),
        pytest.param({"resourceVersion": "-1"}, 400, id="negative rv fails"),
        pytest.param({"resourceVersion": "abc"}, 400, id="rejects invalid resource version"),
        pytest.param({"resourceVersion": str(FUTURE)}, 504, id="rejects resource version set too high"),
        pytest.param(
            {"resourceVersion": str(FUTURE), "resourceVersionMatch": "Exact"}, 504, id="future resource version, Exact"
        ),
        pytest.param(
            {"resourceVersion": "current", "continue": token(1, "bar")}, 400, id="rejects resource version and continue"
        ),
        pytest.param(
            {"resourceVersion": "0", "continue": "token"}, ["foo"], id="ignores resource version 0 with continue token"
        ),
        pytest.param({"continue": "token"}, ["foo"], id="with pregenerated continue token"),
        pytest.param({"continue": token(-1, "bar")}, ["foo"], id="negative resource version gives consistent read"),
        pytest.param({"continue": token(-1, "bar"), "limit": "1"}, ["foo"], id="the same with limit"),
        pytest.param({"continue": token(0, "bar")}, 400, id="empty resource version fails"),
        pytest.param({"continue": token(-1, "")}, 400, id="continue from empty fails"),
        pytest.param({"fieldSelector": "metadata.name=foo"}, ["foo"], id="with pod name matching"),
        pytest.param({"fieldSelector": "metadata.name=baz"}, [], id="with not matching pod name"),
        pytest.param({"limit": "1"}, ["bar"], id="with limit"),
        pytest.param({"limit": "1", "resourceVersion": "current"}, ["bar"], id="with limit at current"),
        pytest.param(
            {"limit": "1", "resourceVersion": "current", "resourceVersionMatch": "Exact"},
            ["bar"],
            id="with limit at current, Exact",
        ),
        pytest.param(
            {"limit": "1", "resourceVersion": "current", "resourceVersionMatch": "NotOlderThan"},
            ["bar"],
            id="with limit at current, NotOlderThan",
        ),
        pytest.param({"limit": "1", "resourceVersion": "0"}, ["bar"], id="with limit at 0"),
        pytest.param(
            {"limit": "1", "resourceVersion": "0", "resourceVersionMatch": "NotOlderThan"},
            ["bar"],
            id="with limit at 0, NotOlderThan",
        ),
        pytest.param(
            {"limit": "1", "resourceVersion": "before", "resourceVersionMatch": "Exact"},
            [],
            id="with limit before created, Exact",
        ),
        pytest.param(
            {"limit": "1", "resourceVersion": "first", "resourceVersionMatch": "Exact"},
            ["bar"],
            id="with limit after created, Exact",
        ),
        pytest.param(
            {"fieldSelector": "metadata.name=bar", "limit": "1"},
            ["bar"],
            id="with filter returning only one item, ensure only a single page returned",
        ),
        pytest.param(
            {"fieldSelector": "metadata.name=bar", "limit": "2"},
            ["bar"],
            id="with filter returning only one item, covers the entire list",
        ),
    ],
)
def test_list(listed, query, expected):
    pods, revisions = listed
    made = {**revisions, "token": token(revisions["current"], "bar")}

    answer = pods.list(**{name: made.get(value, value) for name, value in query.items()})

    if isinstance(expected, int):
        assert (answer.status, answer.document["kind"]) == (expected, "Status")
        return
    assert names(answer) == expected
    if query.get("resourceVersionMatch") == "Exact":
        assert revision(answer.document) == made[query["resourceVersion"]]
    elif query.get("continue") == "token":
        assert revision(answer.document) == revisions["current"]
    else:
        assert revision(answer.document) >= revisions["current"]


def test_list_non_existing_key(pods):
    for query in (
        {},
        {"resourceVersion": "0"},
        {"resourceVersion": str(pods.present), "resourceVersionMatch": "Exact"},
    ):
        assert names(pods.list(**query)) == []


def test_list_with_multiple_levels_of_directories_and_expect_flattened_result(pods):
    for suffix, name in (("b", "x"), ("a", "z"), ("a", "y")):
        pods.beside(suffix).create(name)

    items = pods.api.get(f"{GROUP}/pods").document["items"]

    ours = [item["metadata"] for item in items if item["metadata"]["namespace"].startswith(f"{pods.namespace}-")]
    assert [(one["namespace"][-1], one["name"]) for one in ours] == [("a", "y"), ("a", "z"), ("b", "x")]


@pytest.mark.parametrize(
    ("matching", "limit", "pages"),
    [
        pytest.param("ab---", 2, [["a", "b"], []], id="filter returns two items, more pages possible"),
        pytest.param("a---b", 2, [["a", "e"]], id="filter returns two items split across multiple pages"),
        pytest.param("----a", 2, [["e"]], id="filter returns one item for last page, ends on last item, not full"),
        pytest.param("ab--c", 2, [["a", "b"], ["e"]], id="... starts on last item, partial page"),
        pytest.param("a---b", 1, [["a"], ["e"]], id="... starts on last item, full page"),
        pytest.param("ab---", 5, [["a", "b"]], id="filter returns two items, page size equal to total list size"),
        pytest.param("a----", 5, [["a"]], id="filter returns one item, page size equal to total list size"),
        pytest.param("abcde", 5, [["a", "b", "c", "d", "e"]], id="list all items"),
    ],
)
def test_list_filtered_in_pages(pods, matching, limit, pages):
    for name, match in zip("abcde", matching, strict=True):
        pods.create(name, match="no" if match == "-" else "yes")

    assert whole(pods, labelSelector="match=yes", limit=limit) == pages


def test_verify_list_returns_updated_version_of_object(pods):
    pods.create("a", node="n1")
    pods.move("a", "n2")

    assert names(pods.list(fieldSelector="spec.nodeName=n1")) == []
    assert names(pods.list(fieldSelector="spec.nodeName=n2")) == ["a"]


def test_verify_list_does_not_return_deleted_object(pods):
    pods.create("a")
    pods.delete("a")

    assert names(pods.list()) == names(pods.list(resourceVersion="0")) == []


EIGHT_WRITES = (
    *(("create", "b"), ("create", "a"), ("create", "c"), ("delete", "b")),
    *(("label", "a"), ("create", "d"), ("create", "b"), ("delete", "c")),
)


def test_list_at_exact_rv_before_first_write_after_each_of_eight_writes_and_after_writes(pods):
    """Whole, "with limit", and "with continue"."""
    states, present = {pods.present: []}, set()
    for number, (action, name) in enumerate(EIGHT_WRITES):
        if action == "delete":
            pods.delete(name)
        elif action == "label":
            pods.label(name, n=str(number))
        else:
            pods.create(name)
        (present.discard if action == "delete" else present.add)(name)
        states[pods.present] = sorted(present)
    states[pods.beside("x").create("after")] = sorted(present)
    assert len(states) == 10

    for at, state in states.items():
        exact = {"resourceVersion": at, "resourceVersionMatch": "Exact"}
        assert names(pods.list(**exact)) == state
        assert names(pods.list(limit=1, **exact)) == state[:1]
        assert names(pods.list(**{"continue": token(at, "a")})) == [name for name in state if name > "a"]
        assert names(pods.list(limit=1, **{"continue": token(at, "b")})) == [name for name in state if name > "b"][:1]


def test_consistent_list(pods):
    """ "LIST without RV returns consistent RV", "List with negative continue RV returns consistent RV"."""
    first = pods.create("a")
    stale = revision(pods.list(resourceVersion="0").document)
    later = pods.beside("other").create("b")

    assert stale >= first
    assert revision(pods.list().document) >= later
    assert revision(pods.list(**{"continue": token(-1, "a")}).document) >= later
    assert revision(pods.list(resourceVersion="0").document) >= later


def test_list_continuation(pods):
    for name in "abc":
        pods.create(name)

    assert whole(pods, limit=1) == [["a"], ["b"], ["c"]]
    assert whole(pods, limit=2) == [["a", "b"], ["c"]]
    page = pods.list(limit=1).document["metadata"]
    assert page["remainingItemCount"] == 2


def test_list_pagination_rare_object(pods):
    for number in range(60):
        pods.create(f"p{number:02}", rare="yes" if number == 59 else "no")

    assert [page for page in whole(pods, labelSelector="rare=yes", limit=1) if page] == [["p59"]]
    assert [page for page in whole(pods, fieldSelector="metadata.name=p59", limit=1) if page] == [["p59"]]


def test_list_inconsistent_continuation(pods):
    """What an expired token is answered with goes on at the present revision, and its pages at one revision."""
    for name in "abc":
        pods.create(name)
    pods.delete("b")
    pods.create("bb")

    rest = pods.list(limit=1, **{"continue": token(-1, "a")})

    assert names(rest) == ["bb"]
    following = pods.list(**{"continue": rest.document["metadata"]["continue"]})
    assert names(following) == ["c"]
    assert revision(following.document) == revision(rest.document)


def test_list_resource_version_match(pods):
    pods.create("a")
    then = pods.present
    pods.create("b")

    assert names(pods.list(resourceVersion=then, resourceVersionMatch="Exact")) == ["a"]
    assert names(pods.list(resourceVersion=then, resourceVersionMatch="NotOlderThan")) == ["a", "b"]


def test_list_paging_under_writes(pods):
    for number in range(10):
        pods.create(f"p{number}")
    page = pods.list(limit=3)
    found = names(page)
    while "continue" in page.document["metadata"]:
        pods.create(f"p{len(found)}-new")
        pods.delete(f"p{9 - len(found) // 3}")
        page = pods.list(limit=3, **{"continue": page.document["metadata"]["continue"]})
        found += names(page)

    assert found == [f"p{number}" for number in range(10)]


@pytest.mark.parametrize("with_namespace", [True, False], ids=["request with namespace", "request without namespace"])
@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", ["a/x", "a/y", "b/x"]),
        ("metadata.namespace={a}", ["a/x", "a/y"]),
        ("metadata.namespace={b}", ["b/x"]),
        ("metadata.namespace=other", []),
        ("metadata.name=x", ["a/x", "b/x"]),
        ("metadata.name=other", []),
        ("spec.nodeName=n1", ["a/x", "b/x"]),
        ("spec.nodeName=other", []),
        ("metadata.namespace={a},spec.nodeName=n1", ["a/x"]),
    ],
)
def test_namespace_scoped_list(pods, with_namespace, selector, expected):
    a, b = pods.beside("a"), pods.beside("b")
    a.create("x", node="n1", of=pods.namespace)
    a.create("y", node="n2", of=pods.namespace)
    b.create("x", node="n1", of=pods.namespace)
    path = a.path if with_namespace else f"{GROUP}/pods"
    query = {"labelSelector": f"of={pods.namespace}"}
    if selector:
        query["fieldSelector"] = selector.format(a=a.namespace, b=b.namespace)

    items = [item["metadata"] for item in pods.api.get(path, **query).document["items"]]

    found = [f"{item['namespace'].removeprefix(f'{pods.namespace}-')}/{item['name']}" for item in items]
    assert found == [one for one in expected if one.startswith("a/") or not with_namespace]


# GuaranteedUpdate and deletion


@pytest.mark.parametrize(
    ("change", "status"),
    [
        pytest.param({}, 200, id="same data"),
        pytest.param({"selfLink": "/x"}, 200, id="same data, a selfLink"),
        pytest.param({"resourceVersion": "stale"}, 409, id="same data, stale"),
        pytest.param({"uid": "mismatch"}, 409, id="UID mismatch"),
        pytest.param({"labels": {"x": "y"}}, 200, id="existing key"),
    ],
)
def test_guaranteed_update(pods, change, status):
    first = pods.create("a")
    stale = first if change.get("resourceVersion") else None
    if stale:
        pods.label("a", x="z")
    before = pods.get("a").document
    document = {**before, "metadata": {**before["metadata"], **change}}
    if stale:
        document["metadata"]["resourceVersion"] = str(stale)

    answer = pods.api.put(f"{pods.path}/a", document)

    assert answer.status == status
    after = pods.get("a").document
    assert (after == before) is ("labels" not in change)
    assert "selfLink" not in after["metadata"]


def test_guaranteed_update_non_existing_key(pods):
    assert pods.api.put(f"{pods.path}/a", pod("a") | {"metadata": {"name": "a", "resourceVersion": "1"}}).status == 404


@pytest.mark.parametrize(("uid", "status"), [("match", 200), ("mismatch", 409)], ids=["UID match", "UID mismatch"])
def test_conditional_delete(pods, uid, status):
    pods.create("a")
    wanted = pods.get("a").document["metadata"]["uid"] if uid == "match" else uid

    answer = pods.api.delete(f"{pods.path}/a", {"preconditions": {"uid": wanted}})

    assert (answer.status, pods.get("a").status) == (status, 404 if status == 200 else 200)


def test_unconditional_delete(pods):
    pods.create("a")

    assert [pods.api.delete(f"{pods.path}/a").status for _ in range(2)] == [200, 404]


def test_preconditional_delete_with_stale_resource_version(pods):
    first = pods.create("a")
    second = pods.label("a", x="y")

    stale = pods.api.delete(f"{pods.path}/a", {"preconditions": {"resourceVersion": str(first)}})
    present = pods.api.delete(f"{pods.path}/a", {"preconditions": {"resourceVersion": str(second)}})

    assert (stale.status, present.status) == (409, 200)


def test_create_with_resource_version_set(pods):
    answer = pods.api.create(pods.path, pod("a") | {"metadata": {"name": "a", "resourceVersion": "1"}})

    assert (answer.status, answer.message) == (500, "resourceVersion should not be set on objects to be created")
