"""What a kubelet may ask of the API server: as its node's user, which the Node authorizer holds to the pods of that node."""

import base64
from dataclasses import dataclass
from typing import Any

from tests.apiserver.client import Answer, ApiClient

JsonObject = dict[str, Any]


class NotThereYet(Exception):
    """What a pod waits for is not there, or the API server does not answer for it now."""


class NotThere(NotThereYet):
    """The API server knows no such object: enough where that is optional."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAccess:
    client: ApiClient

    def data(self, plural: str, namespace: str, name: str) -> dict[str, bytes]:
        """Of a Secret or ConfigMap. Raises NotThereYet."""
        document = _taken(self.client.get(f"/api/v1/namespaces/{namespace}/{plural}/{name}"), f"{plural} {name}")
        if plural == "secrets":
            return {key: base64.b64decode(text) for key, text in document.get("data", {}).items()}
        return {key: text.encode() for key, text in document.get("data", {}).items()}

    def token(self, pod: JsonObject, source: JsonObject) -> tuple[bytes, int]:
        """A token that is bound to the pod, and for how many seconds it holds. Raises NotThereYet."""
        metadata, account = pod["metadata"], pod["spec"]["serviceAccountName"]
        seconds = source.get("expirationSeconds", 3600)
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        asked = {"boundObjectRef": bound, "expirationSeconds": seconds}
        if source.get("audience"):
            asked["audiences"] = [source["audience"]]
        path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": asked}
        answer = _taken(self.client.create(path, request), f"a token of {account}")
        return answer["status"]["token"].encode(), seconds

    def trust_bundle(self, source: JsonObject) -> bytes:
        """By name, or all of a signer that are chosen by labels. Raises NotThereYet."""
        path = "/apis/certificates.k8s.io/v1beta1/clustertrustbundles"
        if "name" in source:
            found = [_taken(self.client.get(f"{path}/{source['name']}"), source["name"])]
        else:
            labels = source.get("labelSelector", {}).get("matchLabels", {})
            items = _taken(self.client.get(path), "ClusterTrustBundles")["items"]
            found = [each for each in items if labels.items() <= each["metadata"].get("labels", {}).items()]
            found = [each for each in found if each["spec"].get("signerName") == source["signerName"]]
        if not found and not source.get("optional"):
            raise NotThereYet(f"no ClusterTrustBundle of {source}")
        return "".join(each["spec"]["trustBundle"] for each in found).encode()

    def report(self, pod: JsonObject, status: JsonObject) -> None:
        """A pod that is gone needs no report."""
        self.client.patch(f"{_path(pod)}/status", {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status})

    def remove(self, pod: JsonObject) -> None:
        """It has ended: nothing of it is left here."""
        precondition = {"uid": pod["metadata"]["uid"]}
        self.client.delete(_path(pod), {"gracePeriodSeconds": 0, "preconditions": precondition})


def _path(pod: JsonObject) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _taken(answer: Answer, what: str) -> Any:
    if answer.status not in {200, 201}:
        error = NotThere if answer.status == 404 else NotThereYet
        raise error(f"{what}: {answer.status} {answer.octets[:300].decode(errors='replace')}")
    return answer.document
