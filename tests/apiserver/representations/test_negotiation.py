"""Content negotiation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.errors import NotAcceptable
from apiserver.representations.negotiation import JSON, YAML, Shape, negotiate

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


@pytest.mark.parametrize(
    ("accept", "media_type", "shape"),
    [
        ("", JSON, Shape.OBJECT),
        ("*/*", JSON, Shape.OBJECT),
        ("application/*", JSON, Shape.OBJECT),
        ("application/yaml", YAML, Shape.OBJECT),
        (TABLE, JSON, Shape.TABLE),
        (f"{TABLE}, application/json", JSON, Shape.TABLE),
        (
            f"application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1, {PARTIAL}",
            JSON,
            Shape.PARTIAL,
        ),
        ("application/json;as=Nothing;v=v1;g=meta.k8s.io, application/json", JSON, Shape.OBJECT),
        ("application/json;as=Table;v=v7;g=meta.k8s.io, application/json", JSON, Shape.OBJECT),
        ("application/yaml;q=0, application/json", JSON, Shape.OBJECT),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON, Shape.OBJECT),
        ("application/json;stream=watch", JSON, Shape.OBJECT),
    ],
)
def test_first_that_is_offered_is_taken(accept, media_type, shape):
    found = negotiate(accept)

    assert (found.media_type, found.shape) == (media_type, shape)


@pytest.mark.parametrize(
    "accept",
    [
        "image/png",
        "application/vnd.kubernetes.protobuf",
        "application/json;as=Table;v=v1;g=other",
        "application/json;v=v2",
        "application/json;g=example.com",
    ],
)
def test_what_is_not_offered_is_not_acceptable(accept):
    with pytest.raises(NotAcceptable, match="only the following media types are accepted: application/json"):
        negotiate(accept)


@pytest.mark.parametrize(
    ("pretty", "user_agent", "expected"),
    [
        (None, "curl/8", True),
        (None, "Wget/1", True),
        (None, "kubectl/1", False),
        ("1", "", True),
        ("0", "curl/8", False),
    ],
)
def test_people_get_indented_documents(pretty, user_agent, expected):
    assert negotiate("", pretty=pretty, user_agent=user_agent).pretty is expected


@given(st.text(max_size=200))
def test_any_header_is_read_or_refused(accept):
    try:
        negotiate(accept)
    except NotAcceptable:
        return
