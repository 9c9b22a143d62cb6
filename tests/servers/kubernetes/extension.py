"""How an extension server on loopback becomes part of a cluster's API: Service, APIService, its own account.

- The Service is an ExternalName `localhost`; the port is the APIService's. The aggregator still asks for a certificate for
  `<service>.<namespace>.svc`.
- The account may do what every extension server needs: ask who somebody is and what they may do (system:auth-delegator), read
  the trust of the front proxy (extension-apiserver-authentication-reader), and see namespaces.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.kubernetes.control_plane import ControlPlane

API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_SEE_NAMESPACES = ({"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"]},)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """A server of the cluster's API, by the name of its Service; `publish` makes namespace, Service and account."""

    control_plane: ControlPlane
    namespace: str
    name: str

    @classmethod
    def publish(
        cls,
        control_plane: ControlPlane,
        *,
        namespace: str,
        name: str,
        rules: Sequence[Mapping[str, Any]] = _SEE_NAMESPACES,
    ) -> "Extension":
        """`rules` are what its account may do besides."""
        extension = cls(control_plane=control_plane, namespace=namespace, name=name)
        extension._create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        spec = {"type": "ExternalName", "externalName": "localhost"}
        extension._create(f"/api/v1/namespaces/{namespace}/services", {"metadata": {"name": name}, "spec": spec})
        extension._create_account(rules)
        return extension

    @property
    def server_name(self) -> str:
        """What its serving certificate must be for."""
        return f"{self.name}.{self.namespace}.svc"

    def kubeconfig(self) -> Path:
        """Of the account, with a token that lasts for ten hours."""
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{self.name}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 36000},
        }
        return self.control_plane.kubeconfig_for_token(self._create(path, request)["status"]["token"])

    def register(self, group: str, version: str, *, port: int, ca_bundle: bytes) -> str:
        """Registers one version of a group, to be served at 127.0.0.1:`port`, and returns the APIService's name."""
        name = f"{version}.{group}"
        spec = {
            "group": group,
            "version": version,
            "groupPriorityMinimum": 1000,
            "versionPriority": 15,
            "caBundle": base64.b64encode(ca_bundle).decode(),
            "service": {"namespace": self.namespace, "name": self.name, "port": port},
        }
        self._create(API_SERVICES, {"metadata": {"name": name}, "spec": spec})
        return name

    def unregister(self, api_service: str) -> None:
        self.control_plane.admin.delete(f"{API_SERVICES}/{api_service}")

    def available(self, api_service: str) -> Mapping[str, Any]:
        """The condition of that name as it stands; empty before there is one."""
        answer = self.control_plane.admin.get(f"{API_SERVICES}/{api_service}")
        conditions = answer.document.get("status", {}).get("conditions", [])
        return next((condition for condition in conditions if condition["type"] == "Available"), {})

    def wait_until_available(self, api_service: str, *, status: str = "True", seconds: float = 60) -> None:
        """Until the condition is "True", or another `status`."""
        self.control_plane.wait_until(
            lambda: self.available(api_service).get("status") == status,
            f"{api_service} has Available={status}",
            seconds=seconds,
        )

    def _create_account(self, rules: Sequence[Mapping[str, Any]]) -> None:
        own_name = f"{self.namespace}-{self.name}"
        subject = [{"kind": "ServiceAccount", "namespace": self.namespace, "name": self.name}]
        self._create(f"/api/v1/namespaces/{self.namespace}/serviceaccounts", {"metadata": {"name": self.name}})
        self._create(f"{_RBAC}/clusterroles", {"metadata": {"name": own_name}, "rules": list(rules)})
        for binding, role in ((f"{own_name}-auth-delegator", "system:auth-delegator"), (own_name, own_name)):
            self._create(
                f"{_RBAC}/clusterrolebindings",
                {"metadata": {"name": binding}, "roleRef": _role("ClusterRole", role), "subjects": subject},
            )
        self._create(
            f"{_RBAC}/namespaces/kube-system/rolebindings",
            {
                "metadata": {"name": own_name},
                "roleRef": _role("Role", "extension-apiserver-authentication-reader"),
                "subjects": subject,
            },
        )

    def _create(self, path: str, document: Mapping[str, Any]) -> Any:
        answer = self.control_plane.admin.create(path, document)
        assert answer.status == 201, f"POST {path}: {answer.status} {answer.octets.decode()}"
        return answer.document


def _role(kind: str, name: str) -> dict[str, str]:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
