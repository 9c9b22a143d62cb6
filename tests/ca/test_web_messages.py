"""The JSON twin's reader: whatever comes, it is a message or a refusal."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import RequestInvalid
from ca.web.twin import parse_fields, query_fields
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1 import enrollment_service_pb2 as enrollment

MESSAGES = [
    service.SignCsrRequest,
    service.IssueCertificateRequest,
    service.ListCertificatesRequest,
    service.RevokeCertificateRequest,
    enrollment.EnrollRequest,
]
NAMES = sorted(
    {field.name for message in MESSAGES for field in message.DESCRIPTOR.fields} | {"name", "seconds", "", "x"}
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["1e400s", "3600s", "-1s"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(MESSAGES), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5))
def test_every_object_is_a_message_or_refused(message: Any, fields: dict[str, Any]) -> None:
    try:
        parsed = parse_fields(fields, message())
    except RequestInvalid:
        return
    assert isinstance(parsed, message)


@given(
    st.sampled_from(MESSAGES),
    st.dictionaries(st.text() | st.sampled_from(["filter.name", "filter"]), st.text(), max_size=4),
)
def test_every_query_is_a_message_or_refused(message: Any, query: dict[str, str]) -> None:
    try:
        parsed = parse_fields(query_fields(query, message.DESCRIPTOR), message())
    except RequestInvalid:
        return
    assert isinstance(parsed, message)


def test_query_reaches_every_kind_of_field() -> None:
    query = {
        "page_size": "5",
        "include_pem": "true",
        "filter.name": "true",
        "filter.state": "CERTIFICATE_STATE_VALID",
        "filter.expires_before_time": "2030-01-01T00:00:00Z",
    }

    message = parse_fields(
        query_fields(query, service.ListCertificatesRequest.DESCRIPTOR), service.ListCertificatesRequest()
    )

    assert (message.page_size, message.include_pem, message.filter.name) == (5, True, "true")
    assert message.filter.state == 1
    assert message.filter.expires_before_time.seconds == 1_893_456_000


@pytest.mark.parametrize(
    "query", [{"filter": "x", "filter.name": "y"}, {"nothing.name": "y"}, {"page_size.x": "1"}, {"a." * 50 + "b": "x"}]
)
def test_query_that_leads_nowhere_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(RequestInvalid):
        parse_fields(query_fields(query, service.ListCertificatesRequest.DESCRIPTOR), service.ListCertificatesRequest())


def test_bytes_are_base64() -> None:
    fields = {"csr": base64.b64encode(b"\x00\xff").decode()}

    assert parse_fields(fields, service.SignCsrRequest()).csr == b"\x00\xff"
    for bad in ("a", 5, ["x"]):
        with pytest.raises(RequestInvalid):
            parse_fields({"csr": bad}, service.SignCsrRequest())
