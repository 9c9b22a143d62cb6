"""Several `ca-cli serve` on one PostgreSQL database, each with a data directory of its own, started together."""

import contextlib
import shutil
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import grpc

from ca.office import AdministratorIdentity
from certs.keys import KeyType, encode_private_key, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import build_request
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from store.database import Database, open_database
from tests.ca.serving_process import ServingProcess

T = TypeVar("T")

PASSPHRASE = "correct horse battery staple"
SECONDS = 60.0


@contextlib.contextmanager
def running_replicas(directory: Path, url: str, *, count: int, **settings: str) -> Iterator[list[ServingProcess]]:
    """Started replicas; every one of them knows the identity that the founder made for the administrator."""
    shared = {"database": url, "passphrase": PASSPHRASE, **settings}
    replicas = [ServingProcess(home=directory / f"replica-{number}", settings=shared) for number in range(count)]
    try:
        for replica in replicas:
            replica.launch()
        for replica in replicas:
            replica.await_listeners()
        share_identity(replicas)
        yield replicas
    finally:
        for replica in replicas:
            replica.close_channels()
            if replica._process is not None:
                replica.kill()


def share_identity(replicas: Sequence[ServingProcess]) -> None:
    (founder,) = founders(replicas)
    for replica in replicas:
        if replica is not founder:
            shutil.copytree(founder.home / "identity", replica.home / "identity")


def founders(replicas: Sequence[ServingProcess]) -> list[ServingProcess]:
    """Those that made the hierarchy: they gave the administrator an identity."""
    return [replica for replica in replicas if (replica.home / "identity").exists()]


@contextlib.contextmanager
def opened(url: str) -> Iterator[Database]:
    database = open_database(url, migrating=False)
    try:
        yield database
    finally:
        database.close()


def certificates_of(replica: ServingProcess, identity: AdministratorIdentity | None = None) -> CertificateServiceStub:
    if identity is None:
        return CertificateServiceStub(replica.channel())
    credentials = grpc.ssl_channel_credentials(identity.roots, identity.private_key, identity.chain)
    own = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
    return CertificateServiceStub(replica._kept(grpc.secure_channel(replica.endpoints["grpc"], credentials, own)))


def client_identity(replica: ServingProcess, name: str) -> AdministratorIdentity:
    """An identity of its own, issued by this replica to the administrator."""
    key = generate_private_key(KeyType.EC_P256)
    request = build_request(key, SubjectName(common_name=name), SubjectAlternativeNames())
    answer = certificates_of(replica).SignCsr(service.SignCsrRequest(csr=request, profile="client"), timeout=SECONDS)
    return AdministratorIdentity(
        private_key=encode_private_key(key),
        chain=(answer.certificate.certificate_pem + answer.certificate.chain_pem).encode(),
        roots=replica.administrator.roots,
        certificate_id=answer.certificate.id,
    )


def at_once(calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """What each call returns or raises; they begin together."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T | Exception:
        barrier.wait(SECONDS)
        try:
            return call()
        except Exception as err:  # noqa: BLE001 - it is the outcome
            return err

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def code_of(outcome: object) -> grpc.StatusCode:
    """OK for an answer."""
    return outcome.code() if isinstance(outcome, grpc.Call) else grpc.StatusCode.OK


def eventually(what: Callable[[], bool], seconds: float = SECONDS) -> float:
    """Seconds until it was so."""
    started = time.monotonic()
    while not what():
        assert time.monotonic() - started < seconds, "it did not come about"
        time.sleep(0.1)
    return time.monotonic() - started


def fetch(replica: ServingProcess, path: str) -> bytes:
    """Over the HTTP port."""
    context = ssl.create_default_context(cadata=replica.administrator.roots.decode())
    with urllib.request.urlopen(replica.endpoints["http"] + path, context=context, timeout=SECONDS) as answer:
        return bytes(answer.read())
