"""Objects of kinds with validation rules, on a real change log."""

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import orjson
import pytest

from apiserver.errors import Invalid
from apiserver.kinds.catalogue import Catalogue
from apiserver.operations.objects import Objects
from apiserver.operations.targets import Intent, Target
from apiserver.requests.options import WriteOptions
from apiserver.storage.opening import open_change_log
from tests.apiserver.kinds.manifests import TEXT, load, manifest, version
from tests.apiserver.operations.test_generated_names import AnyNamespace

FIXED = {"rule": "self == oldSelf", "message": "is fixed"}


def schema(*rules):
    return {
        "type": "object",
        "properties": {"color": {**TEXT, **({"x-kubernetes-validations": list(rules)} if rules else {})}},
    }


@pytest.fixture
def threads():
    """Those in which drafts were made."""
    return set()


@pytest.fixture
def objects_of(tmp_path, threads):
    """Objects and an intent, for a kind of that schema."""
    log = open_change_log(f"sqlite:///{tmp_path / 'log.db'}", tmp_path)

    def entropy(octets):
        threads.add(threading.get_ident())
        return secrets.token_bytes(octets)

    with ThreadPoolExecutor(1) as workers:

        def made(openapi):
            (kind,) = load(tmp_path, manifest(versions=[version(schema=openapi)]))
            objects = Objects(
                log=log,
                catalogue=Catalogue([kind]),
                namespaces=AnyNamespace(),
                clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
                entropy=entropy,
                workers=workers,
            )
            return objects, Intent(
                target=Target(kind=kind, namespace="n", name="a"),
                options=WriteOptions(),
                manager="tester",
                warn=lambda _text: None,
            )

        yield made
    log.close()


def thing(color, revision=None):
    metadata = {"name": "a", **({} if revision is None else {"resourceVersion": str(revision)})}
    return orjson.dumps({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": metadata, "color": color})


async def test_rules_are_asked_where_they_hold_up_nobody_else(objects_of, threads):
    objects, intent = objects_of(schema(FIXED))

    await objects.create(intent, thing("red"))

    assert threads
    assert threading.get_ident() not in threads


async def test_small_objects_without_rules_are_drafted_where_they_arrive(objects_of, threads):
    objects, intent = objects_of(schema())

    await objects.create(intent, thing("red"))

    assert threads == {threading.get_ident()}


async def test_a_rule_about_a_change_sees_what_is_stored(objects_of):
    objects, intent = objects_of(schema(FIXED))
    created = await objects.create(intent, thing("red"))

    with pytest.raises(Invalid, match='color: Invalid value: "blue": is fixed'):
        await objects.update(intent, thing("blue", created.record.revision))
