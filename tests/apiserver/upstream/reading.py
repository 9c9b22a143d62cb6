"""Scripts of reads and deletions: lists, selectors, representations, watches, what ends an object."""

from tests.apiserver.upstream.playing import API, TABLE, Player, widget

_PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
_TOKEN_OF_ANOTHER_VERSION = "eyJ2IjoidjIiLCJydiI6MSwic3RhcnQiOiJ4In0"

LABEL_SELECTORS = (
    *("n=1", "n==1", "n!=1", "n in (1,2)", "n notin (1,2)", "n", "!n", "n,parity=odd", "n>2", "n<2", "n>x", "n>"),
    *("parity in ()", "parity in (even", "parity in even", "parity in (even,)", "=x", "n=1,", "n=1,,parity=odd", ","),
    *(
        "n = 1 , parity = odd",
        "n=a b",
        "n=a=b",
        "n=(1)",
        "a/b/c=1",
        "/a=1",
        "a b",
        "n=-",
        "n=é",
        "n in (1) x",
        "!",
        "!n=1",
    ),
    *(
        "n notin",
        "n in",
        "in",
        "notin=1",
        "in in (in)",
        "n===1",
        "n=!1",
        "n!",
        "n=\t1",
        "x" * 64,
        "n=" + "x" * 64,
        "n>1,n<4",
    ),
    *(
        "n@",
        "n=1;",
        '"n"',
        "n=1 or n=2",
        "()",
        "n=",
        "n!=,parity",
        " ",
        "n>1.5",
        "n>-1",
        "n=1\nn=2",
        "n=*",
        "n>=1",
        "n,n,n",
    ),
)
FIELD_SELECTORS = (
    *("metadata.name=a", "metadata.name==a", "metadata.name!=a", "metadata.namespace=x", "metadata.namespace!=x"),
    *(
        "metadata.name=a,metadata.name=b",
        "spec.color=red",
        "spec.color!=red",
        "spec.count=1",
        "spec.count=01",
        "spec.on=true",
    ),
    *("spec.on=", "metadata.name", "a", "metadata.name=", ",", "metadata.name=a,", "metadata.name=a,,spec.color=red"),
    *(
        "metadata.name=a=b",
        r"metadata.name=a\=b",
        r"metadata.name=a\x",
        "metadata.name=\\",
        "metadata.name in (a)",
        " ",
    ),
    *("metadata.name= a", "metadata.name=A", "metadata.name===a", r"metadata.name=a\,b", "metadata.name=!a"),
)


def prepare(player: Player, count: int = 5) -> str:
    for index in range(count):
        spec = {
            "color": ["red", "green", "blue"][index % 3],
            "count": index,
            "on": index % 2 == 0,
            "since": "2019-01-01T00:00:00Z",
        }
        labels = {"n": str(index), "parity": ["even", "odd"][index % 2]}
        ports = [{"number": 1, "name": "x"}, {"number": 2}]
        player.create(
            widget("abcde"[index], metadata={"labels": labels}, tags=[f"t{index}", "u"], ratio=1.5, ports=ports, **spec)
        )
    return player.widgets


def selectors(player: Player) -> None:
    path = prepare(player)
    for text in LABEL_SELECTORS:
        player.get(path, labelSelector=text)
    for text in FIELD_SELECTORS:
        player.get(path, fieldSelector=text)
    for text in ("spec.nope=1", "metadata.uid=x", "METADATA.NAME=a", ".spec.color=red", " metadata.name = a"):
        player.get(path, fieldSelector=text, texts=False)
    player.delete(path, labelSelector="n in (")
    player.watch(labelSelector="n in (")


def lists(player: Player) -> None:
    path = prepare(player)
    for query in (
        *({"limit": text} for text in (2, 0, -1, "x", "", "9" * 30, "1.5", 5, 6)),
        *({"limit": 2, **more} for more in ({"labelSelector": "n"}, {"fieldSelector": "metadata.name!=a"})),
        *({"resourceVersion": text} for text in ("0", "x", "-1", "1.5", " 1", "9" * 30)),
        *({"resourceVersionMatch": text} for text in ("Exact", "Bogus", "NotOlderThan")),
        *(
            {"resourceVersionMatch": text, "resourceVersion": "0"}
            for text in ("Exact", "NotOlderThan", "Bogus", "exact", "")
        ),
        *({"sendInitialEvents": text} for text in ("true", "x")),
        {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"},
        *({"continue": text} for text in ("", _TOKEN_OF_ANOTHER_VERSION)),
        {"continue": "garbage", "resourceVersionMatch": "Exact"},
        *({"timeoutSeconds": text} for text in ("x", "-1")),
        *({"timeout": text} for text in ("x", "5", "1m5", "5s", "-5s")),
        *({"watch": text} for text in ("0", "false")),
        {
            "allowWatchBookmarks": "x",
            "bogus": "1",
            "fieldValidation": "Bogus",
            "dryRun": "Bogus",
            "includeObject": "Bogus",
        },
    ):
        player.get(path, **query)
    for token in ("garbage", "e30", "_"):
        player.get(path, **{"continue": token}, texts=False)
    first = player.get(path, limit=2)["metadata"]
    for query in ({}, {"limit": 2}, {"resourceVersion": first["resourceVersion"]}, {"resourceVersionMatch": "Exact"}):
        player.get(path, **query, **{"continue": first["continue"]})
    for version in ("0", "99999999"):
        player.get(f"{path}/a", resourceVersion=version)
    player.get(f"{path}/a", watch="true", limit="x")
    for query in (
        {"limit": "x"},
        {"resourceVersion": "x"},
        {"dryRun": "All"},
        {"limit": 2, "dryRun": "All"},
        {"dryRun": "x"},
    ):
        player.delete(path, **query)


def representations(player: Player) -> None:
    path = prepare(player, 2)
    player.create(widget("z", tags=[], big=5))
    table_1_beta = TABLE.replace("v=v1;", "v=v1beta1;")
    for accept in (
        *(
            TABLE,
            table_1_beta,
            f"{TABLE},application/json",
            TABLE.replace("v=v1;", ""),
            TABLE.replace("v=v1;", "v=v2;"),
        ),
        *("application/json;as=Bogus;v=v1;g=meta.k8s.io", "application/json;as=Table", "application/json;v=v2"),
        *("*/*", "application/*", "text/html,*/*;q=0.1", "application/json;charset=utf-8", ""),
        "application/cbor,application/json",
    ):
        for place in (path, f"{path}/a", f"{path}/none"):
            player.get(place, headers={"Accept": accept})
    player.get(path, headers={"Accept": _PARTIAL.replace("Metadata", "MetadataList")}, limit=1)
    player.get(f"{path}/a", headers={"Accept": _PARTIAL})
    player.get(path, headers={"Accept": TABLE}, limit=1)
    for shape in ("", ";as=Table;v=v1;g=meta.k8s.io"):
        player.get(path, headers={"Accept": f"application/vnd.kubernetes.protobuf{shape},application/json{shape}"})
    for included in ("None", "Metadata", "Object", "Bogus", "none", ""):
        player.get(path, headers={"Accept": TABLE}, includeObject=included)
    player.create(widget("t"), headers={"Accept": TABLE})
    player.create(widget("p"), headers={"Accept": _PARTIAL})
    player.delete(f"{path}/t", headers={"Accept": TABLE})
    player.get(f"{API}/gadgets", headers={"Accept": TABLE})


def watches(player: Player) -> None:
    path = prepare(player, 2)
    version = player.get(path)["metadata"]["resourceVersion"]
    changed = player.get(f"{path}/a")
    player.put(f"{path}/a", {**changed, "spec": {"color": "blue"}})
    player.patch(f"{path}/b", {"metadata": {"labels": {"n": "9"}}})
    player.create(widget("c"))
    player.delete(f"{path}/c")
    player.patch(f"{path}/a/status", {"status": {"seen": 1}})
    sending = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    for query in (
        {"resourceVersion": version},
        {"resourceVersion": version, "labelSelector": "n=1"},
        {"resourceVersion": version, "fieldSelector": "spec.color=blue"},
        {**sending, "allowWatchBookmarks": "true"},
        {"headers": {"Accept": TABLE}},
    ):
        player.watch(**query)
    for query in (
        *({"resourceVersion": text} for text in ("x", "-1", "1.5")),
        *({"resourceVersionMatch": text} for text in ("Exact", "NotOlderThan")),
        *({"sendInitialEvents": text} for text in ("true", "false")),
        *({"continue": "x"}, {"timeoutSeconds": "x"}, {**sending, "resourceVersionMatch": "Exact"}),
    ):
        player.watch(**query)


_POLICIES = ("Orphan", "Foreground", "Background", "Bogus", "")


def deletions(player: Player) -> None:
    path = f"{player.widgets}/a"
    held = widget(metadata={"finalizers": ["x/y"]})
    player.create(held)
    player.delete(path)
    player.delete(path)
    player.create(held)
    for change in (
        {"finalizers": ["x/y", "z/z"]},
        {"deletionTimestamp": None},
        {"deletionGracePeriodSeconds": 9},
        {"labels": {"a": "b"}},
    ):
        player.patch(path, {"metadata": change})
    player.patch(path, {"spec": {"count": 8}})
    player.patch(path, {"metadata": {"finalizers": []}}, texts=False)
    player.get(path)
    for policy in _POLICIES:  # after each of which their garbage collector may be quicker than the next request
        player.create(held)
        player.delete(path, propagationPolicy=policy)
        player.delete(path, propagationPolicy="Foreground", texts=False)
        player.delete(path, {"propagationPolicy": "Orphan"}, texts=False)
        player.patch(path, {"metadata": {"finalizers": None}}, texts=False)
        player.get(path)
    for finalizer in ("orphan", "foregroundDeletion"):
        player.create(widget(finalizer.lower(), metadata={"finalizers": ["x/y", finalizer]}))
        for policy in _POLICIES:
            player.delete(f"{player.widgets}/{finalizer.lower()}", propagationPolicy=policy, dryRun="All")
    for orphan in ("true", "false", "x", ""):
        player.create(held)
        player.delete(path, orphanDependents=orphan)
        player.patch(path, {"metadata": {"finalizers": None}}, texts=False)
        player.delete(path, texts=False)


def options_of_deletions(player: Player) -> None:
    path = f"{player.widgets}/a"
    uid = player.create(widget())["metadata"]["uid"]
    for conditions in (
        {"uid": "x"},
        {"resourceVersion": "1"},
        {"uid": "x", "resourceVersion": "1"},
        {"uid": ""},
        {"uid": uid},
    ):
        player.delete(path, {"preconditions": conditions, "dryRun": ["All"]})
    for options in (
        *({"gracePeriodSeconds": value} for value in (5, -1, "5")),
        *({"propagationPolicy": value} for value in ("Bogus", "", 5)),
        *({"propagationPolicy": "Orphan", "orphanDependents": value} for value in (True, 5)),
        *({"dryRun": value} for value in (["x"], ["All", "All"], "All", [5])),
        *({"preconditions": []}, {"bogus": 1}, {"kind": "DeleteOptions", "apiVersion": "v1"}),
    ):
        player.delete(path, {"dryRun": ["All"], **options})
    for query in (
        *({"gracePeriodSeconds": text} for text in ("x", "", "-1", "5")),
        *({"dryRun": "x"}, {"propagationPolicy": ""}, {"propagationPolicy": "Orphan", "orphanDependents": "true"}),
    ):
        player.delete(path, **{"dryRun": "All", **query})
    for media_type in ("text/plain", "application/merge-patch+json"):
        player.delete(path, {}, headers={"Content-Type": media_type})
    for body in (b"{", b"[]", b"5"):
        player.delete(path, body, texts=False)


def deletions_of_collections(player: Player) -> None:
    path = player.widgets
    for name in "abc":
        player.create(widget(name, metadata={"labels": {"l": name}, "finalizers": ["q/r"] if name == "c" else []}))
    player.delete(path, labelSelector="l=a")
    player.delete(path, limit=1, dryRun="All")
    player.delete(path, propagationPolicy="Bogus")
    player.delete(path, propagationPolicy="Background")
    player.get(path)
    player.patch(f"{path}/c", {"metadata": {"finalizers": None}}, texts=False)
    player.delete(path)


def paths(player: Player) -> None:
    path = player.widgets
    player.create(widget())
    for place in (
        *("/apis/upstream.example.com", "/apis/upstream.example.com/v2", "/apis/upstream.example.com/v2/widgets"),
        *(f"{API}/nope", f"{API}/nope/x", "/apis/nope.example.com/v1/widgets", f"{API}/Widgets", f"{API}/widget"),
        *(
            f"{path}/a/",
            f"{path}/a/nope",
            f"{path}/a/scale",
            f"{path}/A",
            f"{API}/widgets/a",
            f"{API}/namespaces/x/gadgets/y",
        ),
        f"{API}/namespaces/x/gadgets",
    ):
        player.get(place)


READS = (
    selectors,
    lists,
    representations,
    watches,
    deletions,
    options_of_deletions,
    deletions_of_collections,
    paths,
)
