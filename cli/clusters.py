"""Which cluster a command that looks into one is told to look into."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli import ambient
from cli.options import FILE

if TYPE_CHECKING:
    from cli.endpoint import Endpoint
    from kube.diagnosis.doctor import ClusterDoctor


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenCluster:
    """`namespace` is that of the chart's release; empty for wherever there is one."""

    kubeconfig: Path | None
    namespace: str
    every: bool
    tries: bool
    is_inside: bool

    @contextmanager
    def doctor(self, endpoint: "Endpoint") -> "Iterator[ClusterDoctor]":
        """Asks the authority too where `endpoint` was said to be it. Raises KubeSettingsInvalid, UsageError."""
        from cli.logs import hush_logs
        from kube.cluster import Cluster
        from kube.core_resources import NAMESPACES
        from kube.diagnosis.doctor import ClusterDoctor
        from kube.errors import KubeSettingsInvalid
        from serving.kubeconfig import KubeconfigInvalid

        hush_logs()
        try:
            NAMESPACES.path(name=self.namespace)
        except ValueError as err:
            raise click.UsageError(f"--namespace: {err}") from err
        try:
            cluster = Cluster.open(self.kubeconfig)
        except KubeconfigInvalid as err:
            raise KubeSettingsInvalid([f"{err}; give --kubeconfig, or set KUBECONFIG"]) from err
        is_told = bool(endpoint.server or endpoint.identity or endpoint.client_cert)
        try:
            yield ClusterDoctor(
                cluster=cluster,
                clock=ambient.clock,
                namespace=self.namespace,
                every=self.every,
                tries=self.tries,
                is_inside=self.is_inside,
                authoritys_word=(lambda: _word_of(endpoint)) if is_told else None,
            )
        finally:
            cluster.close()


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say which cluster; the command gets `chosen: ChosenCluster | None`."""

    @wraps(command)
    def with_cluster(*arguments: Any, **parameters: Any) -> Any:
        wanted, kubeconfig = parameters.pop("cluster"), parameters.pop("kubeconfig")
        namespace, every, tries = (parameters.pop(name) for name in ("namespace", "every", "dry_run"))
        dials = parameters.pop("dial")
        chosen = None
        if wanted or kubeconfig:
            kubeconfig = kubeconfig or _usual_kubeconfig()
            is_inside = ambient.environment("KUBERNETES_SERVICE_HOST") is not None if dials is None else dials
            chosen = ChosenCluster(
                kubeconfig=kubeconfig, namespace=namespace, every=every, tries=tries, is_inside=is_inside
            )
        elif every or not tries or dials is not None:
            raise click.UsageError("--all, --no-dry-run and --dial are for a cluster: give --cluster or --kubeconfig")
        return command(*arguments, chosen=chosen, **parameters)

    for option in reversed(_OPTIONS):
        with_cluster = option(with_cluster)
    return with_cluster


_OPTIONS = (
    click.option(
        "--cluster",
        is_flag=True,
        help="Look at a cluster and all that is called in it; by $KUBECONFIG, ~/.kube/config or the pod's service account. "
        "JSON in a pipe.",
    ),
    click.option("--kubeconfig", type=FILE, envvar="CHANCERY_KUBECONFIG", help="The same, by this kubeconfig."),
    click.option(
        "-n",
        "--namespace",
        default="",
        envvar="CHANCERY_NAMESPACE",
        help="Namespace of the chart's release; wherever there is one by default.",
    ),
    click.option(
        "--all",
        "every",
        is_flag=True,
        help="Also webhooks, APIServices and conversions without the label chancery.dev/inject.",
    ),
    click.option(
        "--dry-run/--no-dry-run",
        default=True,
        show_default=True,
        help="Have the API server ask webhooks about the dry run of a pod, to see whether it reaches them.",
    ),
    click.option(
        "--dial/--no-dial",
        default=None,
        help="Whether addresses of Services are reached from here, and dialled; in a pod they are by default.",
    ),
)


def _usual_kubeconfig() -> Path | None:
    """As kubectl does; None for the service account of a pod."""
    named = ambient.environment("KUBECONFIG")
    if named:
        return Path(named)
    try:
        usual = Path.home() / ".kube" / "config"
    except RuntimeError:  # a user without a home, as in a pod
        return None
    return usual if usual.exists() else None


def _word_of(endpoint: "Endpoint") -> Any:
    """Raises ClientError, also where it is our identity that will not do."""
    from agent.errors import AgentError
    from ca.client.errors import IdentityInvalid
    from cli.errors import CliError

    try:
        with endpoint.client() as client:
            return client.administration.get_status(), client.administration.get_rotation()
    except (AgentError, CliError) as err:
        raise IdentityInvalid(str(err)) from err
