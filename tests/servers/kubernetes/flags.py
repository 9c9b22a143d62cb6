"""How the programs of a control plane are told to run: quickly, on loopback, with nothing kept for a power cut."""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.servers.kubernetes.binaries import Binaries
from tests.servers.kubernetes.pki import CertificateFiles

FRONT_PROXY_CLIENT = "front-proxy-client"
"""The common name of the aggregator's certificate, and the only one allowed."""

CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "deployment-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "replicaset-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
)
"""Those that tests look at; nodes, volumes and the rest have nothing to do here."""

CONTROLLERS_OF_PODS = ("persistentvolumeclaim-protection-controller", "statefulset-controller")
"""Besides, where pods run."""

FEATURE_GATES = ("ClusterTrustBundle", "ClusterTrustBundleProjection", "PodCertificateRequest")
"""Off by default in 1.36; their resources are silently absent without the gate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The key material that kube-apiserver and kube-controller-manager read."""

    server_ca: Path
    client_ca: Path
    front_proxy_ca: Path
    serving: CertificateFiles
    proxy_client: CertificateFiles
    service_account_key: Path
    kubelet_client: CertificateFiles
    """As whom kube-apiserver comes to a kubelet."""


def etcd_command(binaries: Binaries, *, directory: Path, url: str) -> list[str]:
    return [
        binaries.path("etcd"),
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        "--listen-peer-urls=http://127.0.0.1:0",
        "--socket-reuse-port",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def write_egress(path: Path, proxy: Path) -> Path:
    """Services are reached by HTTP CONNECT at the socket `proxy`, as where nodes are on another network."""
    connection = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(proxy)}}}
    document = {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }
    path.write_text(json.dumps(document))
    return path


def api_server_command(
    binaries: Binaries,
    files: Files,
    *,
    port: int,
    etcd_url: str,
    aggregator_routing: bool,
    egress: Path | None = None,
) -> list[str]:
    return [
        binaries.path("kube-apiserver"),
        f"--etcd-servers={etcd_url}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        "--permit-port-sharing",
        f"--tls-cert-file={files.serving.certificate}",
        f"--tls-private-key-file={files.serving.key}",
        f"--client-ca-file={files.client_ca}",
        f"--requestheader-client-ca-file={files.front_proxy_ca}",
        f"--requestheader-allowed-names={FRONT_PROXY_CLIENT}",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-uid-headers=X-Remote-Uid",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={files.proxy_client.certificate}",
        f"--proxy-client-key-file={files.proxy_client.key}",
        f"--kubelet-certificate-authority={files.server_ca}",
        f"--kubelet-client-certificate={files.kubelet_client.certificate}",
        f"--kubelet-client-key={files.kubelet_client.key}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--enable-aggregator-routing={str(aggregator_routing).lower()}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={files.service_account_key}",
        f"--service-account-signing-key-file={files.service_account_key}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--runtime-config=certificates.k8s.io/v1beta1=true",
        f"--feature-gates={','.join(f'{gate}=true' for gate in FEATURE_GATES)}",
        *([f"--egress-selector-config-file={egress}"] if egress else []),
    ]


def controller_manager_command(
    binaries: Binaries, files: Files, *, kubeconfig: Path, controllers: tuple[str, ...] = CONTROLLERS
) -> list[str]:
    return [
        binaries.path("kube-controller-manager"),
        f"--kubeconfig={kubeconfig}",
        f"--controllers={','.join(controllers)}",
        "--leader-elect=false",
        "--secure-port=0",
        "--use-service-account-credentials",
        "--resource-quota-sync-period=10s",
        f"--service-account-private-key-file={files.service_account_key}",
        f"--root-ca-file={files.server_ca}",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]
