"""Looks at what the product itself consists of in its namespace: release, workloads, Secret of the roots, Lease, rights."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from kube.collections import Resource
from kube.core_resources import PODS
from kube.diagnosis.bundles import Bundle
from kube.diagnosis.distribution import judge_roots_secret
from kube.diagnosis.event_log import EventLog
from kube.diagnosis.findings import Cause, Finding, Severity, problem, skipped
from kube.diagnosis.installation import Installation
from kube.diagnosis.leases import judge_lease
from kube.diagnosis.looking import Looker, Unseen, by_name, seen
from kube.diagnosis.needed_secrets import judge_needed_secrets
from kube.diagnosis.releases import judge_releases
from kube.diagnosis.rights import OWN_REVIEWS, REVIEWS, Right, judge_rights, rights_of
from kube.diagnosis.workloads import Around, judge_workload
from kube.documents import mapping, name_of
from kube.events import EVENTS
from kube.trust.config_maps import KEY

SECRETS = Resource(version="v1", plural="secrets")
CLAIMS = Resource(version="v1", plural="persistentvolumeclaims")
REPLICA_SETS = Resource(group="apps", version="v1", plural="replicasets")
LEASES = Resource(group="coordination.k8s.io", version="v1", plural="leases")

_OWN = (
    Right(verb="list", group="apps", resource="deployments", namespaced=True),
    Right(verb="list", group="apps", resource="statefulsets", namespaced=True),
    Right(verb="list", resource="pods", namespaced=True),
    Right(verb="list", resource="services"),
    Right(verb="list", group="discovery.k8s.io", resource="endpointslices"),
    Right(verb="list", group="apiregistration.k8s.io", resource="apiservices"),
    Right(verb="list", group="admissionregistration.k8s.io", resource="mutatingwebhookconfigurations"),
    Right(verb="list", group="admissionregistration.k8s.io", resource="validatingwebhookconfigurations"),
)
_READ_MORE = "a role that may read: docs/doctor.md#rights"


def examine_own_rights(looker: Looker, namespace: str) -> Iterator[Finding]:
    """Without these little is seen; what is not seen elsewhere is told there."""
    denied = [
        right for right in _OWN if looker.may(OWN_REVIEWS, {"resourceAttributes": right.attributes(namespace)}) is False
    ]
    if denied:
        yield problem(
            "your rights",
            Cause.RIGHTS_MISSING,
            f"you may not {', '.join(map(str, denied))}: much of this is not seen",
            f"use credentials that may: {_READ_MORE}",
        )


def examine_releases(looker: Looker, installation: Installation) -> Iterator[Finding]:
    """And the Secrets that workloads need: of all there are metadata are read, and nothing else."""
    found = looker.names_alone(SECRETS, installation.namespace)
    if isinstance(found, Unseen):
        yield unseen("release", found)
        return
    yield from judge_releases(found, installation.releases, namespace=installation.namespace)
    there = frozenset(map(name_of, found))
    yield from judge_needed_secrets(installation.workloads, there, roots=installation.roots_secret)


def examine_workloads(looker: Looker, installation: Installation) -> Iterator[Finding]:
    namespace = installation.namespace
    if installation.unseen:
        yield skipped("workloads", installation.unseen, cause=Cause.RIGHTS_MISSING, hint=_READ_MORE)
        return
    claims = looker.all_of(CLAIMS, namespace)
    if isinstance(claims, Unseen):
        yield unseen("volumes", claims)
    around = Around(
        pods=seen(looker.all_of(PODS, namespace)),
        replica_sets=seen(looker.all_of(REPLICA_SETS, namespace)),
        claims=by_name(claims),
    )
    judged = [one for workload in installation.workloads for one in judge_workload(workload, around)]
    if any(one.severity is not Severity.OK for one in judged):
        events = looker.all_of(EVENTS, namespace)
        if isinstance(events, Unseen):
            yield unseen("events", events)
        around = replace(around, log=EventLog(events=seen(events)))
        judged = [one for workload in installation.workloads for one in judge_workload(workload, around)]
    yield from judged
    if installation.component("ca") is None:
        yield problem(
            "authority",
            Cause.NOT_INSTALLED,
            f"no workload in namespace {namespace} is the authority (label app.kubernetes.io/component=ca)",
            "name its namespace by --namespace, or install the chart",
        )


def examine_roots(looker: Looker, installation: Installation, at: datetime) -> tuple[Bundle | None, Sequence[Finding]]:
    """The authority's roots too; None where they are not known."""
    name = installation.roots_secret
    if not name:
        return None, ()
    found = looker.get(SECRETS, installation.namespace, name)
    if isinstance(found, Unseen):
        return None, [unseen(f"Secret/{name}", found)]
    bundle = Bundle.from_base64(mapping(found, "data").get(KEY)) if found is not None else Bundle()
    return bundle if bundle.certificates else None, judge_roots_secret(name, found, at=at)


def examine_lease(looker: Looker, installation: Installation, at: datetime) -> Iterator[Finding]:
    name = installation.lease
    if not name:
        return
    found = looker.get(LEASES, installation.namespace, name)
    if isinstance(found, Unseen):
        yield unseen(f"Lease/{name}", found)
        return
    yield judge_lease(name, found, at=at)


def examine_accounts(looker: Looker, installation: Installation) -> Iterator[Finding]:
    """Rights of the components' own service accounts."""
    namespace = installation.namespace
    for component, account in installation.accounts:
        wanted = rights_of(
            component,
            features=installation.features,
            roots_secret=installation.roots_secret,
            lease=installation.lease,
        )
        user = f"system:serviceaccount:{namespace}:{account}"
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
        denied = []
        for right in wanted:
            answer = looker.may(
                REVIEWS, {"user": user, "groups": [*groups], "resourceAttributes": right.attributes(namespace)}
            )
            if isinstance(answer, Unseen):
                yield unseen("rights of service accounts", answer)
                return
            if not answer:
                denied.append(right)
        yield judge_rights(f"{namespace}/{account}", denied, asked=len(wanted))


def unseen(target: str, found: Unseen) -> Finding:
    cause = Cause.RIGHTS_MISSING if found.is_denied else None
    return skipped(target, found.why, cause=cause, hint=_READ_MORE if found.is_denied else "")
