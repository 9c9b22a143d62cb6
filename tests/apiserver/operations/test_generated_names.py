"""Names that the server makes (metadata.generateName), on a real change log."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from apiserver.assembly import BUILTIN_KINDS
from apiserver.errors import AlreadyExists, NameTaken
from apiserver.kinds.catalogue import Catalogue
from apiserver.kinds.manifests import load_kinds
from apiserver.operations.objects import Objects
from apiserver.operations.targets import Intent, Target
from apiserver.requests.options import WriteOptions
from apiserver.statuses import status_of
from apiserver.storage.opening import open_change_log
from tests.apiserver.client import flunder


class AnyNamespace:
    """`apiserver.operations.objects.Namespaces`."""

    async def verify_may_create(self, namespace, subject):
        return


@pytest.fixture
def drawn():
    """Octets that names are drawn from, one at a time; the last one for ever."""
    return [0]


@pytest.fixture
def objects(tmp_path: Path, drawn):
    def entropy(octets):
        if octets > 1:
            return secrets.token_bytes(octets)
        return bytes([drawn.pop(0) if len(drawn) > 1 else drawn[0]])

    log = open_change_log(f"sqlite:///{tmp_path / 'log.db'}", tmp_path)
    with ThreadPoolExecutor(2) as workers:
        yield Objects(
            log=log,
            catalogue=Catalogue(load_kinds([BUILTIN_KINDS])),
            namespaces=AnyNamespace(),
            clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
            entropy=entropy,
            workers=workers,
        )
    log.close()


@pytest.fixture
def create(objects):
    kind = Catalogue(load_kinds([BUILTIN_KINDS])).find("wardle.example.com", "v1alpha1", "flunders")
    intent = Intent(
        target=Target(kind=kind, namespace="n"), options=WriteOptions(), manager="tester", warn=lambda _text: None
    )

    async def create(**metadata):
        outcome = await objects.create(intent, orjson.dumps(flunder(metadata=metadata)))
        return outcome.record.key.name

    return create


async def test_name_that_is_taken_is_drawn_again(create, drawn):
    drawn[:] = [0] * 10 + [1]

    assert [await create(generateName="x-"), await create(generateName="x-")] == ["x-bbbbb", "x-ccccc"]


async def test_where_every_name_is_taken_the_caller_may_come_back(create):
    await create(generateName="x-")

    with pytest.raises(NameTaken) as caught:
        await create(generateName="x-")

    code, octets, retry_after = status_of(caught.value)
    status = orjson.loads(octets)
    assert (code, status["reason"], retry_after) == (409, "AlreadyExists", 1)
    assert status["details"]["retryAfterSeconds"] == 1
    assert status["message"].startswith('flunders.wardle.example.com "x-bbbbb" already exists, the server was not able')


async def test_name_that_was_given_is_not_drawn_again(create):
    await create(name="a", generateName="x-")

    with pytest.raises(AlreadyExists):
        await create(name="a", generateName="x-")


async def test_base_is_cut_to_leave_room(create):
    assert await create(generateName="x" * 100) == "x" * 58 + "bbbbb"
