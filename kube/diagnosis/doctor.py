"""The examination of a cluster: looks in an order in which causes come before what they bring about.

- Nothing is changed. What cannot be looked at is told as skipped, with what is missing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ca.client.errors import ClientError
from ca.client.values import RotationStatus, ServerStatus
from kube.ambient import Clock
from kube.answers import Answer
from kube.cluster import Cluster
from kube.core_resources import NAMESPACES
from kube.diagnosis.authority import judge_issuers, judge_metrics, judge_phases, judge_rotation
from kube.diagnosis.bundles import Bundle
from kube.diagnosis.calling import HTTPS, gather_authority, gather_targets
from kube.diagnosis.chains import Served
from kube.diagnosis.clocks import instant_of_header, judge_clock
from kube.diagnosis.dialling import Dial, dial
from kube.diagnosis.findings import Cause, Finding, problem, skipped
from kube.diagnosis.installation import Installation, find_installation
from kube.diagnosis.looking import Looker, seen
from kube.diagnosis.namespaces import judge_namespaces
from kube.diagnosis.observing import Ask, Observer, ask, proxy_path
from kube.diagnosis.product import (
    examine_accounts,
    examine_lease,
    examine_own_rights,
    examine_releases,
    examine_roots,
    examine_workloads,
)
from kube.diagnosis.reaching import Observation, judge_target
from kube.diagnosis.spreading import examine_cluster_trust_bundles, examine_config_maps
from kube.errors import KubeError

AuthoritysWord = Callable[[], tuple[ServerStatus, RotationStatus]]
"""To an administrator. Raises ClientError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What was found about something; `observation` is None for what nobody calls."""

    findings: Sequence[Finding]
    observation: Observation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterDoctor:
    """`namespace` is where the product is, empty for wherever that may be; `every` looks at targets of others too; `tries` lets
    webhooks be asked by dry runs; `is_inside`: addresses of Services lead to them from here."""

    cluster: Cluster
    clock: Clock
    namespace: str = ""
    every: bool = False
    tries: bool = True
    is_inside: bool = True
    dial: Dial = field(default=dial)
    ask: Ask = field(default=ask)
    authoritys_word: AuthoritysWord | None = None

    def examine(self) -> Iterator[Examined]:
        """Ends early where the API server does not answer."""
        before = self.clock()
        try:
            date = self.cluster.fetch("/version").headers.get("Date", "")
        except KubeError as err:
            hint = "see that the kubeconfig is this cluster's, its credentials are valid, and its address is reached from here"
            yield _alone(problem("API server", Cause.API_SERVER_UNREACHABLE, str(err), hint))
            return
        said = instant_of_header(date)
        if said is not None:
            yield _alone(judge_clock("the API server", said, before=before, after=self.clock()))
        looker = Looker(self.cluster)
        yield Examined(findings=list(examine_own_rights(looker, self.namespace)))
        found = find_installation(looker, self.namespace)
        installation = found if isinstance(found, Installation) else Installation(namespace="")
        if not isinstance(found, Installation):
            yield _alone(_not_found(found))
        yield from self._examine(looker, installation, said or before)
        if looker.has_given_up:
            summary = "it answered at first and stopped: what is skipped was not looked at"
            yield _alone(problem("API server", Cause.API_SERVER_UNREACHABLE, summary, "see how it is, and begin again"))

    def _examine(self, looker: Looker, installation: Installation, at: datetime) -> Iterator[Examined]:
        """`at` is by the API server's clock, which decides."""
        roots: Bundle | None = None
        if installation.namespace:
            yield Examined(findings=list(examine_releases(looker, installation)))
            yield Examined(findings=list(examine_workloads(looker, installation)))
            yield Examined(findings=list(examine_accounts(looker, installation)))
            roots, findings = examine_roots(looker, installation, at)
            yield Examined(findings=findings)
            yield Examined(findings=list(examine_lease(looker, installation, at)))
        observer = Observer(looker, self.dial, tries=self.tries, is_inside=self.is_inside)
        own = observer.observe(gather_authority(looker, installation, roots))
        yield from (_judged(one, roots, at) for one in own)
        yield Examined(findings=list(self._authority(own, observer, at)))
        asked, unseen = gather_targets(looker, every=self.every)
        written = roots if installation.writes_bundles else None
        yield from (_judged(one, written, at) for one in observer.observe(asked))
        yield Examined(findings=unseen)
        yield Examined(findings=list(judge_namespaces(seen(looker.all_of(NAMESPACES)), at=at)))
        if installation.namespace and "trust" in installation.features:
            yield Examined(findings=list(examine_config_maps(looker, installation, roots)))
            yield Examined(findings=list(examine_cluster_trust_bundles(looker, roots)))

    def _authority(self, own: Sequence[Observation], observer: Observer, at: datetime) -> Iterator[Finding]:
        """By its own word where there is an administrator, else by its metrics."""
        if self.authoritys_word is not None:
            yield from self._administered(self.authoritys_word)
            return
        https = next((one for one in own if one.target.webhook == HTTPS), None)
        if https is None:
            return
        before = self.clock()
        answer = self._metrics(https, observer)
        if answer is None:
            yield skipped("authority", "its metrics were not seen, neither from here nor through the API server")
            return
        if (said := instant_of_header(answer.headers.get("Date", ""))) is not None:
            yield judge_clock("the authority", said, before=before, after=self.clock())
        exposition = answer.octets.decode("utf-8", "replace")
        yield from judge_metrics(exposition, at=at)
        yield from judge_phases(exposition, at=at)

    def _administered(self, word: AuthoritysWord) -> Iterator[Finding]:
        before = self.clock()
        try:
            status, rotation = word()
        except ClientError as err:
            yield skipped(
                "authority", f"it was not asked: {err}", hint="give --server and --identity of an administrator"
            )
            return
        yield judge_clock("the authority", status.current_time, before=before, after=self.clock())
        yield from judge_issuers(status.issuers, at=status.current_time)
        yield judge_rotation(rotation, at=status.current_time)

    def _metrics(self, observation: Observation, observer: Observer) -> Answer | None:
        service, place = observation.target.service, observer.place_of(observation.target)
        if service is None:
            return None
        try:
            return self.cluster.fetch(proxy_path(service, "/metrics"), accept="text/plain")
        except (KubeError, ValueError):
            pass
        if place is None or not isinstance(observation.dialled, Served):
            return None
        return self.ask(place.host, place.port, place.server_name, "/metrics")


def _judged(observation: Observation, roots: Bundle | None, at: datetime) -> Examined:
    return Examined(observation=observation, findings=judge_target(observation, roots, at=at))


def _alone(finding: Finding) -> Examined:
    return Examined(findings=[finding])


def _not_found(namespaces: Sequence[str]) -> Finding:
    if namespaces:
        summary = f"there are several: in {', '.join(namespaces)}"
        return problem("installation", Cause.NOT_INSTALLED, summary, "say which by --namespace")
    summary = "no workload in the cluster has the label app.kubernetes.io/part-of=chancery, as far as you may see"
    return problem(
        "installation", Cause.NOT_INSTALLED, summary, "name its namespace by --namespace, or install the chart"
    )
