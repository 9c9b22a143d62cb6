"""A registrar that watches pods only, as `ca-cli controller` composes it; also as a process of its own, to be killed.

As a program: `python -m tests.kube.pods.registrar KUBECONFIG NAMESPACE SERVER IDENTITY`. It says `leading`, and `releasing UID`
where it would release a pod, which it never manages to.
"""

import contextlib
import os
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import structlog

from ca.client.connection import Address
from ca.client.errors import CallBroken
from ca.client.followed import FollowedConnection
from ca.client.values import RevocationReason
from kube.cluster import Cluster
from kube.controllers import Controller
from kube.election import LeaseTiming
from kube.pods.authority import FollowedPodAuthority
from kube.pods.controller import PodController
from kube.pods.making import pod_controllers
from kube.process import Ambient, ControllerProcess, MakeControllers, Parts, Tuning
from kube.reflector import Timing
from kube.service_names import NameForms
from kube.settings import ControllerSettings
from kube.work_queue import Retries

QUICK = Tuning(
    lease=LeaseTiming(duration=3.0, renew_deadline=2.0, retry_period=0.4),
    reflector=Timing(backoff=(0.1, 1.0)),
    retries=Retries(shortest=0.1, longest=1.0, rate=100.0),
)


def make_registrar(
    kubeconfig: Path, namespace: str, authority: FollowedConnection, make: MakeControllers = pod_controllers
) -> ControllerProcess:
    return ControllerProcess(
        ControllerSettings.from_mapping({"namespace": namespace}),
        cluster=Cluster.open(kubeconfig),
        authority=authority,
        make=make,
        ambient=Ambient(
            clock=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
            boottime=lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
            entropy=os.urandom,
            instance=f"test_{uuid.uuid4()}",
        ),
        tuning=QUICK,
    )


@contextlib.contextmanager
def running_registrar(kubeconfig: Path, namespace: str, server: str, identity: Path) -> Iterator[ControllerProcess]:
    """Runs until the end of the block."""
    with FollowedConnection.of_directory(_address(server), identity, timeout=5.0) as authority:
        process = make_registrar(kubeconfig, namespace, authority)
        process.start()
        try:
            yield process
        finally:
            process.stop()


class _HoldingAuthority(FollowedPodAuthority):
    def release_pod(self, pod_uid: str, reason: RevocationReason) -> int:
        print("releasing", pod_uid, flush=True)
        raise CallBroken("the test lets no pod be released", status="INTERNAL")


def _holding(parts: Parts) -> list[Controller]:
    controller = PodController(
        cluster=parts.cluster,
        collections=parts.collections,
        authority=_HoldingAuthority(parts.authority),
        events=parts.events,
        monotonic=parts.boottime,
        forms=NameForms(),
    )
    return [controller]


def _address(server: str) -> Address:
    return Address.from_text(server, default_port=8112)


def _main(kubeconfig: str, namespace: str, server: str, identity: str) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    authority = FollowedConnection.of_directory(_address(server), Path(identity))
    process = make_registrar(Path(kubeconfig), namespace, authority, _holding)
    process.start()
    while not process.leadership.is_leading:
        time.sleep(0.02)
    print("leading", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    _main(*sys.argv[1:])
