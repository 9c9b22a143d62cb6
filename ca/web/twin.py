"""The JSON twin: the same handlers and messages as gRPC, in the JSON form that Protocol Buffers define.

- Field names are those of the .proto files; `bytes` are base64, times RFC 3339, durations like "3600s".
- Names and query parameters of a path fill the fields of the same name; a dot leads into a field, as in `filter.name`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import orjson
from aiohttp import web
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from ca.calls import Call
from ca.errors import RequestInvalid
from ca.rpc.reading import verify_texts
from protos.chancery.ca.v1 import admin_service_pb2 as admin
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1 import enrollment_service_pb2 as enrollment
from protos.chancery.ca.v1 import trust_service_pb2 as trust

if TYPE_CHECKING:
    from ca.edges import Handlers

_ID = "[0-9a-f]{32}"
Handler = Callable[[Any, Call], Awaitable[Message]]
_Message = TypeVar("_Message", bound=Message)

_PROBLEM_CHARACTERS = 300


class Route(NamedTuple):
    """One method of a service under a path.

    A public one asks nobody who they are. A welcoming one answers everybody, and knows those who show a certificate that counts.
    """

    verb: str
    path: str
    message: type[Message]
    handler: Handler
    public: bool = False
    welcoming: bool = False


def twin_routes(handlers: "Handlers") -> Sequence[Route]:
    certificates = handlers.certificates
    return (
        Route("GET", "/v1/csr-template", service.GetCsrTemplateRequest, certificates.get_csr_template),
        Route("GET", "/v1/certificates", service.ListCertificatesRequest, certificates.list_certificates),
        Route("GET", f"/v1/certificates/{{id:{_ID}}}", service.GetCertificateRequest, certificates.get_certificate),
        Route("POST", "/v1/certificates:sign", service.SignCsrRequest, certificates.sign_csr),
        Route("POST", "/v1/certificates:issue", service.IssueCertificateRequest, certificates.issue_certificate),
        Route("POST", "/v1/certificates:renew", service.RenewCertificateRequest, certificates.renew_certificate),
        Route(
            "POST",
            f"/v1/certificates/{{id:{_ID}}}:revoke",
            service.RevokeCertificateRequest,
            certificates.revoke_certificate,
        ),
        Route(
            "POST",
            f"/v1/certificates/{{certificate_id:{_ID}}}:fetchPrivateKey",
            service.GetPrivateKeyRequest,
            certificates.get_private_key,
        ),
        Route("POST", "/v1/enroll", enrollment.EnrollRequest, handlers.enrollment.enroll, public=True),
        Route(
            "POST",
            "/v1/enroll/service-account",
            enrollment.EnrollServiceAccountRequest,
            handlers.enrollment.enroll_service_account,
            public=True,
        ),
        Route("GET", "/v1/trust-bundle", trust.GetTrustBundleRequest, handlers.trust.get_trust_bundle, welcoming=True),
        Route("GET", "/v1/status", admin.GetStatusRequest, handlers.administration.get_status),
    )


async def read_message(request: web.Request, route: Route) -> Message:
    """Body, query and path as one message. Raises RequestInvalid."""
    fields = query_fields(request.query, route.message.DESCRIPTOR)
    if request.body_exists:
        fields |= json_object(await request.read())
    return parse_fields(fields | request.match_info, route.message())


def parse_fields(fields: Mapping[str, Any], message: _Message, *, ignore_unknown: bool = False) -> _Message:
    """Fills a message from the values of a JSON object. Raises RequestInvalid."""
    try:
        parsed = json_format.ParseDict(dict(fields), message, ignore_unknown_fields=ignore_unknown)
    except (
        json_format.ParseError,
        TypeError,
        ValueError,
        AttributeError,
    ) as err:  # the last three for values of odd types
        problem = str(err)[:_PROBLEM_CHARACTERS]  # it repeats what was sent
        raise RequestInvalid(f"the request does not fit {message.DESCRIPTOR.name}: {problem}", field="body") from err
    verify_texts(parsed)
    return parsed


def write_message(message: Message, *, status: int = 200) -> web.Response:
    """Fields without a value are there too, so that programs need not guess."""
    body = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


def json_object(body: bytes) -> dict[str, Any]:
    """Raises RequestInvalid."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as err:
        raise RequestInvalid(f"the body is not JSON: {err}", field="body") from err
    if not isinstance(value, dict):
        raise RequestInvalid("the body must be a JSON object", field="body")
    return value


def query_fields(query: Mapping[str, str], descriptor: Any) -> dict[str, Any]:
    """`page_size=5&include_pem=true&filter.name=web.example` as the object that it stands for. Raises RequestInvalid."""
    fields: dict[str, Any] = {}
    for name, text in query.items():
        holder, message = fields, descriptor
        *parents, leaf = name.split(".")
        for parent in parents:
            field = message.fields_by_name.get(parent)
            holder = holder.setdefault(parent, {})
            if field is None or field.message_type is None or not isinstance(holder, dict):
                raise RequestInvalid(f"there is no parameter {name[:64]!r}", field="query")
            message = field.message_type
        holder[leaf] = _query_value(text, message.fields_by_name.get(leaf))
    return fields


def _query_value(text: str, field: FieldDescriptor | None) -> str | bool:
    is_boolean = field is not None and field.type == FieldDescriptor.TYPE_BOOL
    return text == "true" if is_boolean and text in {"true", "false"} else text
