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
from kube.diagnosis.trials import DRY_RUN, Trial, trial_of, word_of_creation, word_of_refusal
from kube.documents import JsonObject, mapping, objects, text
from kube.errors import ClusterUnreachable, Forbidden, KubeError, NotAuthenticated, NotThere

ENDPOINT_SLICES = Resource(group="discovery.k8s.io", version="v1", plural="endpointslices")
_DIALLERS = 8
_LONGEST_ANSWER = 1 << 20
_PROXY_SECONDS = 6.0
_WEBHOOK_SECONDS, _GRACE_SECONDS = 10, 5
_BY_PROXY = re.compile(r"no endpoints available|error trying to reach service: (?P<why>.*)")
"""What is not this was said by the server behind the proxy: it was reached."""
_OF_PROTOCOL = re.compile(r"tls: |x509: |malformed HTTP|gave HTTP response|unexpected EOF|stream error|http2: ")
_AWAY = re.compile(r"^the cluster does not answer: ")
_UNANSWERED = re.compile(r"^the cluster does not answer: .*timed out|: no answer within [0-9.]+ seconds$")
_OF_API_SERVER = re.compile(r'(services|endpoints)[^ ]* "[^"]*" not found')

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
        """In the same order; each place is dialled once, and several are waited for at a time."""
        places = [self.place_of(one.target) for one in asked]
        distinct = list(dict.fromkeys(place for place in places if place is not None))
        with ThreadPoolExecutor(_DIALLERS) as pool:
            shown = dict(
                zip(distinct, pool.map(lambda at: self._dial(at.host, at.port, at.server_name), distinct), strict=True)
            )
            observed = [
                self._observe(one.target, shown[place] if place is not None else _NOT_TRIED)
                for one, place in zip(asked, places, strict=True)
            ]
            words = pool.map(self._word, asked, observed, self._trials(asked))
            return [replace(one, word=word) for one, word in zip(observed, words, strict=True)]

    def _trials(self, asked: Sequence[Asked]) -> Sequence[Trial | None]:
        tried = [self._tries and "WebhookConfiguration" in one.target.kind for one in asked]
        namespaces = seen(self._looker.all_of(NAMESPACES)) if any(tried) else ()
        return [
            trial_of(one.document, namespaces) if wanted else None for one, wanted in zip(asked, tried, strict=True)
        ]

    def place_of(self, target: Target) -> Place | None:
        """Where it is dialled; None where its Service has no address, or none that leads there."""
        if target.service is None:
            return Place(host=target.host, port=target.port, server_name=target.host) if target.host else None
        return self._back(target.service)[1]

    def _observe(self, target: Target, dialled: Served | Missed) -> Observation:
        backing = self._back(target.service)[0] if target.service else None
        return Observation(target=target, backing=backing, dialled=dialled)

    def _word(self, asked: Asked, observed: Observation, trial: Trial | None) -> Word | None:
        """Called by several threads: looks at nothing that the Looker remembers."""
        target, backing = asked.target, observed.backing
        if target.kind == "APIService":
            return word_of(asked.document)
        if backing is not None and not (backing.is_there and (backing.ready or backing.is_external)):
            return None
        word = self._try(asked.document, trial) if trial is not None else None
        if word is None and isinstance(observed.dialled, Missed) and target.service is not None:
            return self._word_of_proxy(target.service)
        return word

    def _try(self, webhook: JsonObject, trial: Trial) -> Word | None:
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
            return word_of_proxy(str(err))
        except (Forbidden, ValueError):
            return None
        except NotThere as err:
            return None if _OF_API_SERVER.search(str(err)) else Word(holds=True)
        except NotAuthenticated:
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


def word_of_proxy(said: str) -> Word | None:
    """None where it was not asked."""
    by_proxy = _BY_PROXY.search(said)
    if by_proxy is not None:
        holds = _OF_PROTOCOL.search(by_proxy["why"] or "") is not None
        return Word(holds=holds, message="" if holds else said)
    if _UNANSWERED.search(said):
        return Word(holds=False, message=f"its proxy timed out after {_PROXY_SECONDS:.0f} seconds")
    return None if _AWAY.search(said) else Word(holds=True)


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
