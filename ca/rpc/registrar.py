"""chancery.ca.v1.RegistrarService."""

import asyncio
from dataclasses import dataclass

from ca.ambient import Clock
from ca.calls import Call, parse_request_id
from ca.errors import RequestInvalid
from ca.issuers import Issuers
from ca.metrics import Metrics
from ca.orders import Binding, Order, PodIdentity
from ca.pipeline import SigningPipeline
from ca.policy import Operation
from ca.registrar import Registrar, parse_pod
from ca.rpc import conversion
from protos.chancery.ca.v1 import registrar_service_pb2 as service


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrarHandlers:
    """Everything here asks the policy for the operation `register`."""

    pipeline: SigningPipeline
    registrar: Registrar
    issuers: Issuers
    clock: Clock
    metrics: Metrics

    async def sign_request(self, request: service.SignRequestRequest, call: Call) -> service.SignRequestResponse:
        if not request.profile:
            raise RequestInvalid("say which profile the certificate shall have", field="profile")
        pod = _to_pod(request.pod) if request.HasField("pod") else None
        if pod is not None:
            self.registrar.verify_pod(call, pod)
        order = Order(
            call=call,
            operation=Operation.REGISTER,
            profile=request.profile,
            request=request.csr,
            lifetime=conversion.to_lifetime(request.lifetime, present=request.HasField("lifetime")),
            request_id=parse_request_id(request.request_id),
            binding=Binding(
                subject=conversion.to_subject(request.subject), names=conversion.to_names(request.names), exact=False
            ),
            pod=pod,
        )
        record = await self.pipeline.issue(order)
        self.metrics.issued.labels(profile=record.profile).inc()
        certificate = conversion.to_certificate(
            record, now=self.clock(), chain_pem=self.issuers.chain_pem(record.issuer_id)
        )
        return service.SignRequestResponse(certificate=certificate)

    async def register_pod(self, request: service.RegisterPodRequest, call: Call) -> service.RegisterPodResponse:
        await asyncio.to_thread(self.registrar.register, call, _to_pod(request.pod), tuple(request.dns_names))
        return service.RegisterPodResponse()

    async def release_pod(self, request: service.ReleasePodRequest, call: Call) -> service.ReleasePodResponse:
        reason = conversion.to_reason(request.reason)
        count = await asyncio.to_thread(self.registrar.release, call, request.pod_uid, reason)
        if count:
            self.metrics.count_revoked(reason, count)
        return service.ReleasePodResponse(revoked_count=count)

    async def list_pods(self, request: service.ListPodsRequest, call: Call) -> service.ListPodsResponse:
        page = await asyncio.to_thread(
            self.registrar.page,
            call,
            page_size=conversion.to_page_size(request.page_size),
            page_token=request.page_token,
        )
        pods = [
            service.Pod(
                namespace=pod.namespace,
                name=pod.name,
                uid=pod.uid,
                service_account=pod.service_account,
                node=pod.node_name,
            )
            for pod in page.items
        ]
        return service.ListPodsResponse(pods=pods, next_page_token=page.next_token or "")


def _to_pod(message: service.Pod) -> PodIdentity:
    return parse_pod(
        namespace=message.namespace,
        name=message.name,
        uid=message.uid,
        service_account=message.service_account,
        node=message.node,
    )
