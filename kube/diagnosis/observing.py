"""Observations of targets: Service and endpoints, a dial, and the API server's own word, by what of these may be had."""

import http.client
import re
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from kube.answers import Answer
from kube.cluster import Cluster
from kube.collections import Resource
from kube.core_resources import NAMESPACES, SERVICES
from kube.diagnosis.api_services import word_of
from kube.diagnosis.chains import Served
from kube.diagnosis.dialling import DIAL_SECONDS, Dial
from kube.diagnosis.looking import Looker, Unseen, seen
from kube.diagnosis.reaching import Backing, Miss, Missed, Observation, Word
from kube.diagnosis.targets import ServicePort, Target
from kube.diagnosis.trials import DRY_RUN, trial_of, word_of_creation, word_of_refusal
from kube.documents import JsonObject, mapping, objects, text
from kube.errors import ClusterUnreachable, Forbidden, KubeError, NotAuthenticated, NotThere

ENDPOINT_SLICES = Resource(group="discovery.k8s.io", version="v1", plural="endpointslices")
_DIALLERS = 8
_LONGEST_ANSWER = 1 << 20
_PROXY_SECONDS = 6.0
_WEBHOOK_SECONDS, _GRACE_SECONDS = 10, 5
_NOT_REACHED = re.compile(
    r"no endpoints available|trying to reach service: .*(dial tcp|timeout|deadline exceeded|connection refused|no route)"
)
"""What is not this was said by the server behind the proxy, or of its protocol: it was reached."""

Ask = Callable[[str, int, str, str], Answer | None]
"""Host, port, name and path: what a server of ours answers by https to anybody; None where it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    host: str
    port: int
    server_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A target and what says so: the entry of the webhook, or the whole document."""

    target: Target
    document: JsonObject


class Observer:
    """`tries`: whether webhooks may be tried by dry runs. `is_inside`: whether addresses of Services lead to them from here;
    elsewhere there may be anybody."""

    def __init__(self, looker: Looker, dial: Dial, *, tries: bool, is_inside: bool) -> None:
        self._looker = looker
        self._dial = dial
        self._tries = tries
        self._is_inside = is_inside
        self._backings: dict[ServicePort, tuple[Backing | None, Place | None]] = {}

    def observe(self, asked: Sequence[Asked]) -> Sequence[Observation]:
        """In the same order; each place is dialled once, several at a time."""
        places = [self.place_of(one.target) for one in asked]
        distinct = list(dict.fromkeys(place for place in places if place is not None))
        with ThreadPoolExecutor(_DIALLERS) as pool:
            shown = dict(
                zip(distinct, pool.map(lambda at: self._dial(at.host, at.port, at.server_name), distinct), strict=True)
            )
        return [
            self._observe(one, shown[place] if place is not None else _NOT_TRIED)
            for one, place in zip(asked, places, strict=True)
        ]

    def place_of(self, target: Target) -> Place | None:
        """Where it is dialled; None where its Service has no address, or none that leads there."""
        if target.service is None:
            return Place(host=target.host, port=target.port, server_name=target.host) if target.host else None
        return self._back(target.service)[1]

    def _observe(self, asked: Asked, dialled: Served | Missed) -> Observation:
        target = asked.target
        backing = self._back(target.service)[0] if target.service else None
        observed = Observation(target=target, backing=backing, dialled=dialled)
        return replace(observed, word=self._word(asked, observed))

    def _word(self, asked: Asked, observed: Observation) -> Word | None:
        target, backing = asked.target, observed.backing
        if target.kind == "APIService":
            return word_of(asked.document)
        if backing is not None and not (backing.is_there and (backing.ready or backing.is_external)):
            return None
        word = self._try(asked.document) if "WebhookConfiguration" in target.kind and self._tries else None
        if word is None and isinstance(observed.dialled, Missed) and target.service is not None:
            return self._word_of_proxy(target.service)
        return word

    def _try(self, webhook: JsonObject) -> Word | None:
        trial = trial_of(webhook, seen(self._looker.all_of(NAMESPACES)))
        if trial is None:
            return None
        try:
            created = self._patient(webhook).create(trial.resource.path(trial.namespace), trial.document, DRY_RUN)
        except KubeError as err:
            return word_of_refusal(str(err), text(webhook, "name"))
        return word_of_creation(created, webhook)

    def _patient(self, webhook: JsonObject) -> Cluster:
        """With time for the API server to wait for the webhook in vain."""
        said = webhook.get("timeoutSeconds")
        return self._looker.cluster.hurried((said if isinstance(said, int) else _WEBHOOK_SECONDS) + _GRACE_SECONDS)

    def _word_of_proxy(self, service: ServicePort) -> Word | None:
        """Whatever comes from behind the proxy shows that the API server gets there; it verifies nothing on that way."""
        try:
            self._looker.cluster.hurried(_PROXY_SECONDS).fetch(proxy_path(service, "/livez"))
        except ClusterUnreachable as err:
            holds = _NOT_REACHED.search(str(err)) is None
            return Word(holds=holds, message="" if holds else str(err))
        except (Forbidden, ValueError):
            return None
        except (NotThere, NotAuthenticated):
            return Word(holds=True)
        except KubeError:
            return None
        return Word(holds=True)

    def _by_name(self, service: ServicePort) -> Place | None:
        if not self._is_inside:
            return None
        return Place(host=service.server_name, port=service.port, server_name=service.server_name)

    def _back(self, service: ServicePort) -> tuple[Backing | None, Place | None]:
        if service not in self._backings:
            self._backings[service] = self._look_behind(service)
        return self._backings[service]

    def _look_behind(self, service: ServicePort) -> tuple[Backing | None, Place | None]:
        found = self._looker.get(SERVICES, service.namespace, service.name) if service.namespace else None
        if isinstance(found, Unseen):
            return None, self._by_name(service)
        if found is None:
            return Backing(is_there=False), None
        query = {"labelSelector": f"kubernetes.io/service-name={service.name}"}
        slices = self._looker.all_of(ENDPOINT_SLICES, service.namespace, query)
        host, is_external = text(found, "spec", "clusterIP"), text(found, "spec", "type") == "ExternalName"
        if is_external:
            host = text(found, "spec", "externalName")
        backing = (
            None
            if isinstance(slices, Unseen) and not is_external
            else backing_of(seen(slices), is_external=is_external)
        )
        if host in {"", "None"} or not (self._is_inside or is_external):
            return backing, None
        return backing, Place(host=host, port=service.port, server_name=service.server_name)


_NOT_TRIED = Missed(miss=Miss.NOT_TRIED, detail="addresses of Services are dialled from within the cluster")


def backing_of(slices: Sequence[JsonObject], *, is_external: bool = False) -> Backing:
    """Of EndpointSlices; an endpoint that does not say whether it is ready is (discovery.k8s.io/v1)."""
    endpoints = [one for each in slices for one in objects(each, "endpoints")]
    ready = sum(mapping(one, "conditions").get("ready") is not False for one in endpoints)
    ports = {port for each in slices for one in objects(each, "ports") if isinstance(port := one.get("port"), int)}
    return Backing(is_external=is_external, ready=ready, unready=len(endpoints) - ready, ports=tuple(sorted(ports)))


def proxy_path(service: ServicePort, path: str) -> str:
    """Through the API server. Raises ValueError for what cannot be a Service's name."""
    return f"{SERVICES.path(service.namespace, service.name).rpartition('/')[0]}/https:{service.name}:{service.port}/proxy{path}"


def ask(host: str, port: int, server_name: str, path: str) -> Answer | None:
    """Unverified: what is asked for is no secret, and is only shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(host, port, timeout=DIAL_SECONDS, context=context)
    try:
        connection.request("GET", path, headers={"Host": server_name})
        answer = connection.getresponse()
        octets = answer.read(_LONGEST_ANSWER)
        return Answer(headers=dict(answer.getheaders()), octets=octets)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
