"""Pods, written and listed in few words."""

from dataclasses import dataclass

from tests.apiserver.client import Answer, ApiClient, Watch

GROUP = "/apis/conformance.example.com/v1"


def revision(document) -> int:
    return int(document["metadata"]["resourceVersion"])


def names(answer: Answer) -> list[str]:
    return [item["metadata"]["name"] for item in answer.document["items"]]


def seen(event) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"]["name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """Those of one namespace."""

    api: ApiClient
    namespace: str

    @property
    def path(self) -> str:
        return f"{GROUP}/namespaces/{self.namespace}/pods"

    def beside(self, suffix: str) -> "Pods":
        return Pods(api=self.api, namespace=f"{self.namespace}-{suffix}")

    def create(self, name: str, *, node: str = "", **labels: str) -> int:
        """Returns the revision."""
        answer = self.api.create(self.path, pod(name, node=node, **labels))
        assert answer.status == 201, answer.octets
        return revision(answer.document)

    def label(self, name: str, **labels: str | None) -> int:
        answer = self.api.patch(f"{self.path}/{name}", {"metadata": {"labels": labels}})
        assert answer.status == 200, answer.octets
        return revision(answer.document)

    def move(self, name: str, node: str) -> int:
        answer = self.api.patch(f"{self.path}/{name}", {"spec": {"nodeName": node}})
        assert answer.status == 200, answer.octets
        return revision(answer.document)

    def delete(self, name: str) -> None:
        assert self.api.delete(f"{self.path}/{name}").status == 200

    def get(self, name: str, **query: object) -> Answer:
        return self.api.get(f"{self.path}/{name}", **query)

    def list(self, **query: object) -> Answer:
        return self.api.get(self.path, **query)

    def watch(self, **query: object) -> Watch:
        return self.api.watch(self.path, **query)

    @property
    def present(self) -> int:
        """The newest revision."""
        return revision(self.list(limit=1).document)


def pod(name: str, *, node: str = "", **labels: str):
    return {
        "apiVersion": "conformance.example.com/v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"nodeName": node} if node else {},
    }
