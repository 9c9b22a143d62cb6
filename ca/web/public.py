"""Plain documents for everybody: roots, CRLs, OCSP, health and metrics; and myca's two paths."""

import asyncio
import base64
import binascii

import orjson
from aiohttp import web
from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty
from prometheus_client import CONTENT_TYPE_LATEST

from ca.calls import Call
from ca.crls import CrlPublisher
from ca.issuers import Issuers
from ca.metrics import Metrics
from ca.ocsp import OcspDesk
from ca.rpc.myca import MycaHandlers
from ca.web.twin import json_object, parse_fields
from protos.myca import service_pb2 as myca
from store.database import Database


class PublicDocuments:
    """What needs no client certificate."""

    def __init__(
        self,
        *,
        issuers: Issuers,
        crls: CrlPublisher,
        ocsp: OcspDesk,
        database: Database,
        metrics: Metrics,
        stopping: asyncio.Event,
    ) -> None:
        self._issuers = issuers
        self._crls = crls
        self._ocsp = ocsp
        self._database = database
        self._metrics = metrics
        self._stopping = stopping

    async def roots(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._issuers.bundle.pem, content_type="application/x-pem-file")

    async def crl(self, request: web.Request) -> web.Response:
        """RFC 2585 section 4.2 names the type. Raises CrlNotFound."""
        place = request.match_info
        crl = await asyncio.to_thread(self._crls.current, place["issuer"], int(place["shard"]))
        headers = {"Cache-Control": "max-age=60"}
        return web.Response(body=crl.der, content_type="application/pkix-crl", headers=headers)

    async def ocsp(self, request: web.Request) -> web.Response:
        """POST with the request as body, GET with it in the path as base64 (RFC 6960 appendix A.1)."""
        try:
            encoded = await request.read() if request.method == "POST" else _from_path(request.match_info["request"])
        except binascii.Error:
            encoded = b""
        answer = await asyncio.to_thread(self._ocsp.answer, encoded)
        headers = {"Cache-Control": "no-store"} if answer.fresh_until is None else {"Cache-Control": "max-age=60"}
        return web.Response(body=answer.der, content_type="application/ocsp-response", headers=headers)

    async def live(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def ready(self, _request: web.Request) -> web.Response:
        """Ready to sign: not stopping, an issuing CA at hand, and the store answers. Raises StorageFault, NoActiveIssuer."""
        if self._stopping.is_set():
            return web.Response(status=503, text="stopping")
        self._issuers.active()
        await asyncio.to_thread(self._database.check)
        return web.Response(text="ok")

    async def metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _from_path(text: str) -> bytes:
    """Standard base64, percent-decoded by the router already; a proxy may have merged slashes, which nobody can undo."""
    return base64.b64decode(text, validate=True)


class MycaPaths:
    """GET /csr-template and POST /csr, with the JSON of myca's Go structures."""

    def __init__(self, handlers: MycaHandlers) -> None:
        self._handlers = handlers

    async def template(self, _request: web.Request, call: Call) -> web.Response:
        message = await self._handlers.csr_template(Empty(), call)
        return web.Response(body=orjson.dumps(json_format.MessageToDict(message)), content_type="application/json")

    async def sign(self, request: web.Request, call: Call) -> web.Response:
        """myca answered 202 with the identifier; fields that it did not know it passed over. Raises RequestInvalid."""
        asked = parse_fields(json_object(await request.read()), myca.CertificateSigningRequest(), ignore_unknown=True)
        answer = await self._handlers.sign_csr(asked, call)
        body = orjson.dumps({"certificateId": answer.CertificateId})
        return web.Response(status=202, body=body, content_type="application/json")
