"""Which namespaces take new objects (admission plugin NamespaceLifecycle, which nobody runs for an aggregated server but itself).

- Followed by a reflector; a namespace that it does not know is asked for, as it may be younger than the last event.
"""

import asyncio
from concurrent.futures import Executor
from typing import cast

from apiserver.ambient import Entropy
from apiserver.cluster.connection import ClusterConnection, NotThere
from apiserver.cluster.reflector import Reflector
from apiserver.documents import JsonObject
from apiserver.errors import ClusterUnreachable, Forbidden, NotFound, ServiceUnavailable, Subject
from apiserver.field_errors import Cause

_PATH = "/api/v1/namespaces"


class ClusterNamespaces:
    """`apiserver.operations.objects.Namespaces`."""

    def __init__(self, connection: ClusterConnection, *, workers: Executor, entropy: Entropy) -> None:
        self._connection = connection
        self._workers = workers
        self.reflector = Reflector(connection, _PATH, entropy=entropy)

    async def verify_may_create(self, namespace: str, subject: Subject) -> None:
        """`subject` is what would be created. Raises NotFound, Forbidden, ServiceUnavailable."""
        found = self.reflector.get("", namespace) or await self._ask(namespace)
        status = cast("JsonObject", found.get("status") or {})
        metadata = cast("JsonObject", found.get("metadata") or {})
        if status.get("phase") == "Terminating" or metadata.get("deletionTimestamp"):
            raise _terminating(namespace, subject)

    async def _ask(self, namespace: str) -> JsonObject:
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._workers, lambda: self._connection.get(f"{_PATH}/{namespace}")
            )
        except NotThere as err:
            raise NotFound.object(Subject(name=namespace, kind="namespaces")) from err
        except ClusterUnreachable as err:
            raise ServiceUnavailable(
                f"the cluster cannot say whether there is a namespace {namespace}; try again", retry_after=1
            ) from err


def _terminating(namespace: str, subject: Subject) -> Forbidden:
    why = f"namespace {namespace} is being terminated"
    return Forbidden(
        f'{subject.qualified} "{subject.name}" is forbidden: unable to create new content in namespace {namespace} because it is '
        "being terminated",
        subject=subject,
        causes=[Cause(reason="NamespaceTerminating", message=why, field="metadata.namespace")],
    )
