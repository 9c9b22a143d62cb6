"""Makes recorded.json: what kube-apiserver's own libraries answer to a chain of writes and to patches, chosen by a fixed seed.

    go build -o upstream . && python -m tests.apiserver.fields.upstream.record ./upstream

In the folder of this file, with the module cache of Go at hand. The answers are those of the versions in go.mod.
"""

import json
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.apiserver.fields.things import OPENAPI, TEXT, TEXTS, thing

RECORDED = Path(__file__).with_name("recorded.json")
START = datetime(2026, 1, 1, tzinfo=UTC)
OBJECT_META = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("name", "namespace", "uid", "resourceVersion", "creationTimestamp"), TEXT),
        "generation": {"type": "integer"},
        "labels": TEXTS,
        "annotations": TEXTS,
        "finalizers": {
            "type": "array",
            "items": TEXT,
            "x-kubernetes-list-type": "set",
            "x-kubernetes-patch-strategy": "merge",
        },
        "ownerReferences": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": dict.fromkeys(("apiVersion", "kind", "name", "uid"), TEXT),
                "x-kubernetes-map-type": "atomic",
            },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-patch-strategy": "merge",
            "x-kubernetes-patch-merge-key": "uid",
        },
        "managedFields": {
            "type": "array",
            "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "x-kubernetes-list-type": "atomic",
        },
    },
}


def models():
    properties = {**OPENAPI["properties"], "apiVersion": TEXT, "kind": TEXT, "metadata": OBJECT_META}
    kind = {"group": "example.com", "version": "v1", "kind": "Thing"}
    return {"Thing": {**OPENAPI, "properties": properties, "x-kubernetes-group-version-kind": [kind]}}


class Documents:
    """Small ones, so that writes meet."""

    def __init__(self, seed):
        self.dice = random.Random(seed)

    def chance(self, of):
        return self.dice.random() < of

    def letter(self):
        return self.dice.choice("abc")

    def distinct(self, letters, most=4):
        return list(dict.fromkeys(self.dice.choice(letters) for _ in range(self.dice.randrange(most))))

    def texts(self):
        return {self.letter(): self.letter() for _ in range(self.dice.randrange(3))}

    def anything(self, depth=0):
        kind = self.dice.random()
        if kind < 0.4 or depth > 2:
            return self.dice.choice(["x", "y", 1, 2, True, False, None, 1.5])
        if kind < 0.7:
            return {self.dice.choice("pqr"): self.anything(depth + 1) for _ in range(self.dice.randrange(3))}
        return [self.anything(depth + 1) for _ in range(self.dice.randrange(3))]

    def container(self, name):
        makers = {"image": self.letter, "args": lambda: [self.letter()], "env": self.texts, "limits": self.limits}
        return {"name": name, **{field: make() for field, make in makers.items() if self.chance(0.4)}}

    def limits(self):
        return {name: self.letter() for name in ("cpu", "memory") if self.chance(0.5)}

    def ports(self):
        ports = {}
        for number in self.distinct([80, 443], 3):
            port = {"port": number}
            port |= {"protocol": self.dice.choice(["TCP", "UDP"])} if self.chance(0.5) else {}
            port |= {"name": self.letter()} if self.chance(0.5) else {}
            ports[number, port.get("protocol", "TCP")] = port
        return list(ports.values())

    def spec(self):
        makers = {
            "name": self.letter,
            "count": lambda: self.dice.randrange(3),
            "on": lambda: self.chance(0.5),
            "labels": self.texts,
            "atomicMap": self.texts,
            "atomicStruct": lambda: {"a": self.letter(), "b": 1},
            "list": lambda: [self.letter() for _ in range(self.dice.randrange(3))],
            "set": lambda: self.distinct("abcde"),
            "numbers": lambda: self.distinct([1, 2, 3]),
            "containers": lambda: [self.container(name) for name in self.distinct("abcd")],
            "ports": self.ports,
            "free": lambda: {"p": self.anything()},
            "any": self.anything,
            "nested": lambda: {self.letter(): self.texts()},
            "template": lambda: {"spec": self.texts() and {"a": self.letter()}},
        }
        return {field: None if self.chance(0.05) else make() for field, make in makers.items() if self.chance(0.35)}

    def thing(self):
        metadata = {}
        if self.chance(0.3):
            metadata["labels"] = self.texts()
        if self.chance(0.3):
            metadata["finalizers"] = [f"{letter}/x" for letter in self.distinct("abc")]
        if self.chance(0.2):
            metadata["ownerReferences"] = [
                {"uid": uid, "name": self.letter(), "kind": "K", "apiVersion": "v1"} for uid in self.distinct("uv")
            ]
        fields = {"spec": self.spec()}
        if self.chance(0.4):
            fields["status"] = {"phase": self.letter()}
        return thing(metadata=metadata, **fields)


class Peer:
    def __init__(self, program):
        self.process = subprocess.Popen(
            [program, json.dumps(models())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def chain(peer, documents, length):
    """Writes to one object, each made on what the one before left; now and then the object is new."""
    steps, live = [], None
    for number in range(length):
        now = START + timedelta(minutes=number)
        has_status = documents.chance(0.3)
        request = {
            "do": documents.dice.choice(["update", "apply"]),
            "manager": documents.dice.choice("abcdefghijklmnop" if documents.chance(0.4) else "ab"),
            "subresource": documents.dice.choice(["", "status"]) if has_status else "",
            "force": documents.chance(0.4),
            "has_status": has_status,
            "document": documents.thing(),
        }
        fresh = documents.chance(0.05)
        live = None if fresh else live
        answer = peer.ask({**request, "live": live})
        for entry in answer.get("document", {}).get("metadata", {}).get("managedFields") or ():
            if "time" in entry and not entry["time"].startswith("2026-01-"):
                entry["time"] = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        steps.append({**request, "fresh": fresh or live is None, "now": now.isoformat(), "answer": answer})
        if "document" in answer:
            live = answer["document"]
            live["metadata"]["uid"] = "one"
    return steps


def patches(peer, documents, count):
    return [
        {**request, "answer": peer.ask(request)}
        for _ in range(count)
        for request in (
            {"do": "merge", "document": {"a": documents.anything()}, "patch": {"a": documents.anything()}},
            {"do": "strategic", "document": documents.thing(), "patch": {"spec": declared(documents.spec())}},
        )
    ]


def declared(spec):
    """What strategic merge finds in its schema."""
    return {name: value for name, value in spec.items() if name not in {"any", "free", "nested"}}


def main(program):
    peer, documents = Peer(program), Documents(20261127)
    recorded = {"chain": chain(peer, documents, 150), "patches": patches(peer, documents, 60)}
    lines = [
        f'"{name}": [\n' + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]"
        for name, cases in recorded.items()
    ]
    RECORDED.write_text("{" + ",\n".join(lines) + "}\n")


if __name__ == "__main__":
    main(sys.argv[1])
