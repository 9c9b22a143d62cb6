"""The webhook over TLS: whoever calls it, with whatever, gets an answer, and it goes on answering."""

import asyncio
import contextlib
import io
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
import trustme

from kube.admission.features import ClusterFeatures
from kube.admission.metrics import Metrics
from kube.admission.reviews import MOST_VALUES
from kube.admission.web import LARGEST_BODIES, LARGEST_BODY, Mutating
from kube.health import health_application
from serving.http import HttpListener
from tests.kube.admission.pods_for_tests import INJECTION, USUAL, pod_of
from tests.kube.admission.test_reviews import UID, body_of, request_of

JSON = {"Content-Type": "application/json"}
NAME = "injector.chancery.svc"


class Webhook:
    def __init__(self, url: str, tls: ssl.SSLContext, session: aiohttp.ClientSession, metrics: Metrics) -> None:
        self.url = url
        self.tls = tls
        self.session = session
        self.metrics = metrics

    async def post(self, body: Any, headers: dict[str, str] = JSON, path: str = "/mutate") -> tuple[int, Any]:
        data = io.BytesIO(body) if isinstance(body, bytes) else body
        async with self.session.post(self.url + path, data=data, headers=headers, server_hostname=NAME) as answer:
            content = await answer.read()
            return answer.status, orjson.loads(content) if answer.content_type == "application/json" else content

    async def answer(self, status: int) -> None:
        """Returns once a review is answered so."""
        for _ in range(6000):
            if (await self.post(review_of(pod_of())))[0] == status:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"never answered {status}")

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        port = int(self.url.rpartition(":")[2])
        return await asyncio.open_connection("127.0.0.1", port, ssl=self.tls, server_hostname=NAME)

    def counted(self, outcome: str, mode: str = "") -> float | None:
        return self.metrics.registry.get_sample_value(
            "chancery_injector_admissions_total", {"outcome": outcome, "mode": mode}
        )


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    async with running() as made:
        yield made


@contextlib.asynccontextmanager
async def running(features: ClusterFeatures | None = USUAL, body_seconds: float = 5.0) -> AsyncIterator[Webhook]:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert(NAME).configure_cert(server)
    authority.configure_trust(client)
    metrics = Metrics()
    mutating = Mutating(
        INJECTION,
        features=lambda: features,
        metrics=metrics,
        monotonic=asyncio.get_running_loop().time,
        body_seconds=body_seconds,
    )
    listener = HttpListener(mutating.application(), server)
    url = await listener.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client)) as session:
            yield Webhook(url, client, session, metrics)
    finally:
        await listener.stop(1)


def review_of(pod: Any, **fields: Any) -> bytes:
    return body_of(request=request_of(pod, **fields))


async def test_review_is_answered_and_counted(webhook):
    status, answer = await webhook.post(review_of(pod_of()))

    assert (status, answer["response"]["uid"], answer["response"]["allowed"]) == (200, UID, True)
    assert webhook.counted("injected", "sidecar") == 1
    assert webhook.metrics.registry.get_sample_value("chancery_injector_admission_seconds_count") == 1


async def test_refusal_is_an_answer_like_any_other(webhook):
    status, answer = await webhook.post(review_of(pod_of(annotations={"mode": "x"})))

    assert (status, answer["response"]["allowed"]) == (200, False)
    assert (
        webhook.metrics.registry.get_sample_value("chancery_injector_refusals_total", {"reason": "ANNOTATION_INVALID"})
        == 1
    )


async def test_pod_of_three_megabytes_is_injected(webhook):
    pod = pod_of()
    pod["metadata"]["annotations"] = {"large": "x" * (3 << 20)}
    status, answer = await webhook.post(review_of(pod))

    assert (status, answer["response"]["patchType"]) == (200, "JSONPatch")


@pytest.mark.parametrize("body", [b"{", b"[]", b"\x00" * 100, b"[" * 200_000])
async def test_garbage_is_told_so_and_the_next_review_is_answered(webhook, body):
    status, answer = await webhook.post(body)

    assert (status, answer["kind"], answer["reason"]) == (400, "Status", "BadRequest")
    assert (await webhook.post(review_of(pod_of())))[0] == 200
    assert webhook.counted("unreadable") == 1


async def test_unknown_version_is_told_which_one_is_known(webhook):
    body = orjson.dumps({"apiVersion": "admission.k8s.io/v2", "kind": "AdmissionReview", "request": {"uid": "1"}})
    status, answer = await webhook.post(body)

    assert status == 400
    assert answer["message"].endswith("send admission.k8s.io/v1")


async def test_deletion_is_none_of_its_business(webhook):
    status, answer = await webhook.post(review_of(None, operation="DELETE"))

    assert (status, answer["response"]) == (200, {"uid": UID, "allowed": True})


async def test_too_large_a_body_is_not_read(webhook):
    with contextlib.suppress(aiohttp.ClientError):  # it may be answered, and closed, before all is sent
        assert (await webhook.post(b" " * (LARGEST_BODY + 1)))[0] == 413

    assert (await webhook.post(review_of(pod_of())))[0] == 200
    assert webhook.counted("unreadable") == 1


async def test_body_of_unsaid_length_is_not_read(webhook):
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65536
            await asyncio.sleep(0)

    with contextlib.suppress(aiohttp.ClientError):
        assert (await webhook.post(endless()))[0] == 411

    assert webhook.counted("unreadable") == 1


async def test_caller_that_fills_the_room_for_bodies_makes_room_for_who_sends_his(webhook):
    unfinished = (
        f"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {LARGEST_BODY}\r\n\r\n"
    )
    holding = [await webhook.connect() for _ in range(LARGEST_BODIES // LARGEST_BODY)]
    for _, writer in holding:
        writer.write(unfinished.encode())
    statuses = [(await webhook.post(review_of(pod_of())))[0] for _ in range(20)]
    async with asyncio.timeout(60):
        told = await next(asyncio.as_completed([reader.readline() for reader, _ in holding]))
    for _, writer in holding:
        writer.transport.abort()

    assert (set(statuses), told) == ({200}, b"HTTP/1.1 429 Too Many Requests\r\n")


@pytest.mark.parametrize("value", [b"0", b"{}", b'""'])
async def test_body_that_would_grow_in_memory_is_not_read(webhook, value):
    body = b"[" + b",".join([value] * (MOST_VALUES + 2)) + b"]"
    status, answer = await webhook.post(body)

    assert (status, answer["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "text/plain"}, {}, JSON | {"Content-Encoding": "gzip"}], ids=["text", "none", "gzip"]
)
async def test_what_is_not_json_as_it_is_is_not_taken(webhook, headers):
    assert (await webhook.post(review_of(pod_of()), headers))[0] == 415


async def test_body_that_does_not_come_is_not_waited_for():
    async with running(body_seconds=0.2) as webhook:
        reader, writer = await webhook.connect()
        writer.write(
            b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        )
        async with asyncio.timeout(60):
            status = await reader.readline()
        writer.transport.abort()

    assert status == b"HTTP/1.1 408 Request Timeout\r\n"


async def test_cluster_that_was_not_asked_yet_makes_the_api_server_try_again():
    async with running(features=None) as webhook:
        status, answer = await webhook.post(review_of(pod_of()))

        assert (status, answer["reason"]) == (503, "ServiceUnavailable")
        assert (await webhook.post(review_of(pod_of(annotations={"mode": "sidecar"}))))[0] == 200


async def test_other_paths_and_methods_are_not_there(webhook):
    assert (await webhook.post(review_of(pod_of()), path="/"))[0] == 404
    async with webhook.session.get(f"{webhook.url}/mutate", server_hostname=NAME) as answer:
        assert answer.status == 405


async def test_many_at_once_are_all_answered(webhook):
    answers = await asyncio.gather(*(webhook.post(review_of(pod_of())) for _ in range(100)))

    assert {status for status, _ in answers} == {200}


async def test_health_says_what_is_wrong():
    async def well() -> str:
        return ""

    async def ill() -> str:
        return "the serving certificate is not believed"

    listener = HttpListener(health_application(live=[well], ready=[ill], registry=Metrics().registry), None)
    url = await listener.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session:
            found = {}
            for path in ("livez", "readyz", "metrics"):
                async with session.get(f"{url}/{path}") as answer:
                    found[path] = (answer.status, await answer.text())
    finally:
        await listener.stop(1)

    assert found["livez"] == (200, "ok\n")
    assert found["readyz"] == (503, "the serving certificate is not believed\n")
    assert "chancery_injector_admission_seconds_bucket" in found["metrics"][1]
