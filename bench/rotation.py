"""Rotations under way: handshakes of a fleet during one against before, and how long until the last of many consumers has followed.

- `ca-cli serve` in a process of its own; the fleet is that of the test in which no handshake may fail.
- Consumers hold one stream each over a few connections, and say what they hold as programs do that follow the trust bundle.
"""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc

from bench.figures import Figure, Finding, Skipped
from bench.servers import RunningServer, authority, command_line
from ca.client.authority import CaClient
from ca.client.identity import Identity
from ca.client.values import RotationStatus
from certs.keys import KeyType, encode_private_key, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import build_request
from protos.chancery.ca.v1 import trust_service_pb2 as trust
from protos.chancery.ca.v1.trust_service_pb2_grpc import TrustServiceStub

SECTION = "rotation of the root, SQLite"
MEMBERS = 20
CONSUMERS = 1000
_STREAMS = 100  # of a connection; a server takes 256, and some are over that it has not let go of yet
_SETTLED = {"CHANCERY_ROTATION_SETTLE": "2s"}
_PATIENCE_SECONDS = 120.0


def measure(*, quick: bool) -> list[Finding]:
    program = command_line()
    if program is None:
        return [Skipped(section=SECTION, name="everything", reason="ca-cli is not installed beside this Python")]
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        for name in ("fleet", "consumers"):
            (directory / name).mkdir()
        with authority(program, directory / "fleet", core=None, environment=_SETTLED) as server:
            fleet = list(_fleet_figures(server, seconds=2.0 if quick else 8.0))
        with authority(program, directory / "consumers", core=None, environment=_SETTLED) as server:
            return [*fleet, asyncio.run(_last_consumer(server))]


def _fleet_figures(server: RunningServer, *, seconds: float) -> Iterator[Figure]:
    from tests.ca.rotation.fleet import Member, Tally, acting, renewed  # noqa: PLC0415 - of the tests, which need not be there

    tally = Tally()
    administrator = Identity.from_directory(server.identity)
    target = server.target.replace("127.0.0.1", "localhost")
    members = [
        Member(f"member-{number}", _peer(target, administrator, number), grpc=target, http=server.url, tally=tally)
        for number in range(MEMBERS)
    ]
    with acting(members):
        time.sleep(1.0)
        before = _rate(lambda: tally.peer + tally.authority, seconds)
        begun, count = time.monotonic(), tally.peer + tally.authority
        with CaClient.connect(target, administrator) as client:
            client.administration.start_rotation("root", haste="now")
            _await_phase(client, "signing")
            administrator = renewed(client, client.trust.get_trust_bundle().roots_pem)
        with CaClient.connect(target, administrator) as client:
            _await_phase(client, "stable")
        took = time.monotonic() - begun
        during = (tally.peer + tally.authority - count) / took
    yield Figure(
        section=SECTION,
        name=f"handshakes of {MEMBERS} members with one another and the authority, during beside before",
        value=during / before,
        unit="x",
        note=f"{during:,.0f} and {before:,.0f} 1/s; the rotation took {took:.1f} s",
    )
    yield Figure(
        section=SECTION,
        name="handshakes that failed",
        value=len(tally.failures),
        unit="",
        budget=0,
        note=f"of {tally.peer + tally.authority:,}",
    )


def _peer(target: str, administrator: Identity, number: int) -> Identity:
    key = generate_private_key(KeyType.EC_P256)
    names = SubjectAlternativeNames.parse(dns=["localhost", f"member-{number}.example"])
    with CaClient.connect(target, administrator) as client:
        signed = client.certificates.sign_csr(build_request(key, SubjectName(), names), profile="peer")
    return Identity.from_pem(
        chain_pem=signed.full_chain_pem,
        private_key_pem=encode_private_key(key),
        roots_pem=administrator.roots_pem,
    )


def _rate(handshakes: Callable[[], int], seconds: float) -> float:
    begun, count = time.monotonic(), handshakes()
    time.sleep(seconds)
    return (handshakes() - count) / (time.monotonic() - begun)


def _await_phase(client: CaClient, phase: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (found := client.administration.get_rotation()).rotation is None or found.rotation.phase != phase:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not {phase}: {found}")
        time.sleep(0.1)


async def _last_consumer(server: RunningServer) -> Figure:
    administrator = Identity.from_directory(server.identity)
    target = server.target.replace("127.0.0.1", "localhost")
    credentials = grpc.ssl_channel_credentials(
        administrator.roots_pem, administrator.private_key_pem, administrator.chain_pem
    )
    holding: list[asyncio.Future[None]] = [asyncio.get_running_loop().create_future() for _ in range(CONSUMERS)]
    channels = [
        grpc.aio.secure_channel(target, credentials, options=[("grpc.use_local_subchannel_pool", 1)])
        for _ in range(CONSUMERS // _STREAMS)
    ]
    following = [
        asyncio.create_task(_follow(channels[number % len(channels)], f"consumer-{number}", held))
        for number, held in enumerate(holding)
    ]
    with CaClient.connect(target, administrator) as client:
        await _until(client, lambda status: status.consumers_total >= CONSUMERS)
        begun = time.monotonic()
        await asyncio.to_thread(client.administration.start_rotation, "root", haste="now")
        await asyncio.gather(*holding)
        told = time.monotonic() - begun
        await _until(client, lambda status: status.consumers_behind == 0)
        took = time.monotonic() - begun
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    for channel in channels:
        await channel.close(None)
    return Figure(
        section=SECTION,
        name=f"from the beginning to the last of {CONSUMERS:,} consumers on the new bundle, and known to be",
        value=took,
        unit="s",
        note=f"the last had it after {told:.2f} s; {os.cpu_count()} cores for all",
    )


async def _follow(channel: grpc.aio.Channel, name: str, holds_next: "asyncio.Future[None]") -> None:
    """Watches, puts what comes in place, and watches on from there: each call says what is held."""
    stub, held = TrustServiceStub(channel), 0
    while True:
        stream = stub.WatchTrustBundle(trust.WatchTrustBundleRequest(held_generation=held, consumer=name))
        with contextlib.suppress(grpc.aio.AioRpcError):  # refused as too many for a moment: again
            async for answer in stream:
                if answer.bundle.generation != held:
                    held = answer.bundle.generation
                    if held > 1 and not holds_next.done():
                        holds_next.set_result(None)
                    break
        stream.cancel()


async def _until(client: CaClient, condition: Callable[[RotationStatus], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition(await asyncio.to_thread(client.administration.get_rotation)):
        if time.monotonic() > deadline:
            raise TimeoutError("the consumers do not follow")
        await asyncio.sleep(0.02)
