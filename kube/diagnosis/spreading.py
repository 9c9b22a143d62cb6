"""Looks at where the roots went: ConfigMaps of namespaces, ClusterTrustBundles."""

from collections.abc import Iterator

from kube.core_resources import NAMESPACES, PODS
from kube.diagnosis.bundles import Bundle
from kube.diagnosis.distribution import judge_cluster_trust_bundles, judge_config_maps
from kube.diagnosis.findings import Finding
from kube.diagnosis.installation import Installation
from kube.diagnosis.looking import Looker, Unseen, seen
from kube.diagnosis.product import unseen
from kube.discovery import first_served
from kube.documents import name_of, namespace_of
from kube.errors import KubeError
from kube.trust.cluster_trust_bundles import SIGNER, VERSIONS
from kube.trust.config_maps import CONFIG_MAPS, NAME
from kube.trust.opting_in import OptingIn
from kube.vocabulary import OPTED_IN

_OFF = {"false", "no", "0", "off"}


def examine_config_maps(looker: Looker, installation: Installation, roots: Bundle | None) -> Iterator[Finding]:
    label = f"ConfigMap/{NAME}"
    found = looker.all_of(CONFIG_MAPS, query={"fieldSelector": f"metadata.name={NAME}"})
    namespaces = looker.all_of(NAMESPACES)
    for one in (found, namespaces):
        if isinstance(one, Unseen):
            yield unseen(label, one)
            return
    with_pods = {namespace_of(one) for one in seen(looker.all_of(PODS, query=OPTED_IN))}
    opting_in = OptingIn(
        listed=frozenset(filter(None, installation.setting("trust_namespaces", "").split(","))),
        by_label=installation.setting("trust_by_label", "true").lower() not in _OFF,
    )
    opted_in = frozenset(
        name_of(one)
        for one in seen(namespaces)
        if opting_in.includes(name_of(one), one, has_pod=name_of(one) in with_pods)
    )
    yield from judge_config_maps(seen(found), opted_in, roots)


def examine_cluster_trust_bundles(looker: Looker, roots: Bundle | None) -> Iterator[Finding]:
    try:
        resource = first_served(looker.cluster, VERSIONS)
    except KubeError as err:
        yield unseen("ClusterTrustBundle", Unseen(why=str(err)))
        return
    if resource is None:
        yield from judge_cluster_trust_bundles(None, roots)
        return
    found = looker.all_of(resource, query={"fieldSelector": f"spec.signerName={SIGNER}"})
    if isinstance(found, Unseen):
        yield unseen("ClusterTrustBundle", found)
        return
    yield from judge_cluster_trust_bundles(found, roots)
