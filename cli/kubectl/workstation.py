"""Where a person works: a kubeconfig, one of its contexts, perhaps a namespace. Nothing is read before it is needed."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from cli import ambient
from cli.errors import InputInvalid, InputMissing
from cli.options import FILE

if TYPE_CHECKING:
    from kube.cluster import Cluster
    from kube.collections import Resource
    from kube.credentials import Credentials
    from serving.kubeconfig import ApiServerAccess

ResultT = TypeVar("ResultT")
ParametersT = ParamSpec("ParametersT")

_CALL_SECONDS = 30.0
_CONTEXT_HINT = "name one with --context, or set it for good: kubectl config use-context NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workstation:
    """What the shared options say."""

    kubeconfig: Path | None
    context: str | None
    namespace: str | None

    def open(self) -> "Reach":
        """Raises InputMissing where there is no kubeconfig, InputInvalid where one is of no use."""
        from cli.logs import hush_logs
        from kube.cluster import Cluster
        from kube.credentials import Credentials
        from serving.kubeconfig import ApiServerAccess, KubeconfigInvalid, chosen_context

        hush_logs()
        file = self._file()
        context, namespace = (None, "default") if file is None else chosen_context(file, context=self.context)
        try:
            credentials = Credentials(lambda: ApiServerAccess.open(file, context=context))
        except KubeconfigInvalid as err:
            unchosen = context is None and "current-context" in str(err)
            message = f"kubeconfig {file} names no current context" if unchosen else str(err)
            raise InputInvalid(message, hint=_CONTEXT_HINT if unchosen or self.context else "") from err
        return Reach(
            credentials=credentials,
            cluster=Cluster(credentials, call_seconds=_CALL_SECONDS),
            own_namespace=namespace,
            namespace=self.namespace,
        )

    def _file(self) -> Path | None:
        """None: this is a pod, and its service account is asked for. Raises InputMissing."""
        if self.kubeconfig is not None:
            named = self.kubeconfig
        elif listed := ambient.environment("KUBECONFIG"):
            if any(one and Path(one).exists() for one in listed.split(os.pathsep)):
                return Path(listed)  # several, which are read as one
            named = Path(listed)
        else:
            named = Path.home() / ".kube" / "config"
            if not named.exists() and ambient.environment("KUBERNETES_SERVICE_HOST"):
                return None
        if not named.exists():
            raise InputMissing(f"there is no kubeconfig at {named}", hint="name one with --kubeconfig or KUBECONFIG")
        return named


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """An API server, and who we are to it. `namespace` is the one that was asked for, `own_namespace` that of the context."""

    credentials: "Credentials"
    cluster: "Cluster"
    own_namespace: str
    namespace: str | None

    @property
    def access(self) -> "ApiServerAccess":
        """With the credentials that were taken last: a token may have been replaced since we began."""
        return self.credentials.access


def path_of(resource: "Resource", namespace: str | None) -> str:
    """Of all objects of a namespace, or of the cluster. Raises UsageError for what cannot be a namespace's name."""
    try:
        return resource.path(namespace)
    except ValueError as err:
        raise click.UsageError(f"--namespace: {err}") from err


_OPTIONS = (
    click.option("-n", "--namespace", metavar="NAME", help="Namespace to look in."),
    click.option("--context", metavar="NAME", help="Context of the kubeconfig, instead of the current one."),
    click.option("--kubeconfig", type=FILE, help="Kubeconfig; $KUBECONFIG or ~/.kube/config by default."),
)


def workstation_options(
    command: Callable[Concatenate[Workstation, ParametersT], ResultT],
) -> Callable[..., ResultT]:
    """Adds the options that say which cluster, as kubectl calls them; the command gets a `Workstation` first."""

    @wraps(command)
    def with_workstation(*arguments: Any, **parameters: Any) -> ResultT:
        workstation = Workstation(
            kubeconfig=parameters.pop("kubeconfig"),
            context=parameters.pop("context"),
            namespace=parameters.pop("namespace"),
        )
        return command(workstation, *arguments, **parameters)

    decorated: Callable[..., ResultT] = with_workstation
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
