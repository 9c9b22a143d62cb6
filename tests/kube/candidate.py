"""A process that writes for as long as it leads: one ConfigMap after the other, under its own name. Run by tests, and killed."""

import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kube.cluster import Cluster
from kube.collections import Resource
from kube.controllers import Key, Watch
from kube.process import Ambient, ControllerProcess, Parts
from kube.settings import ControllerSettings

MAPS = Resource(version="v1", plural="configmaps")


class Writer:
    name = "writer"

    def __init__(self, parts: Parts, namespace: str, identity: str) -> None:
        self._parts = parts
        self._namespace = namespace
        self._identity = identity
        self._count = 0

    def watches(self) -> Sequence[Watch]:
        return ()

    def seeds(self) -> Sequence[Key]:
        return (Key(name="one"),)

    def reconcile(self, key: Key) -> timedelta | None:
        document = {"metadata": {"name": f"{self._identity}-{self._count}"}, "data": {"by": self._identity}}
        self._parts.cluster.create(MAPS.path(self._namespace), document)
        self._count += 1
        return timedelta(milliseconds=20)


def main(kubeconfig: str, namespace: str, identity: str) -> None:
    process = ControllerProcess(
        ControllerSettings.from_mapping({"namespace": namespace, "workers": 1}),
        cluster=Cluster.open(Path(kubeconfig)),
        authority=None,  # type: ignore[arg-type] - nothing here asks it
        make=lambda parts: [Writer(parts, namespace, identity)],
        ambient=Ambient(
            clock=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
            boottime=time.monotonic,
            entropy=os.urandom,
            instance=identity,
        ),
    )
    process.start()
    time.sleep(120)


if __name__ == "__main__":
    main(*sys.argv[1:])
