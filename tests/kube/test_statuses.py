"""What a refusal of the API server says, whoever words it: a Status, or the plain text of what stands before a server."""

import pytest

from kube.errors import ClusterUnreachable, Forbidden, KubeError
from kube.statuses import error_of

STATUS = b'{"kind": "Status", "message": "pods is forbidden"}'


@pytest.mark.parametrize(
    ("code", "body", "kind", "words"),
    [
        (403, STATUS, Forbidden, "GET /x: pods is forbidden"),
        (
            503,
            b"error trying to reach service: x509: certificate\n signed by unknown authority\n",
            ClusterUnreachable,
            "GET /x: 503 error trying to reach service: x509: certificate signed by unknown authority",
        ),
        (503, b"", ClusterUnreachable, "GET /x: 503 without a reason"),
        (502, b"<html><body>Bad Gateway</body></html>", ClusterUnreachable, "GET /x: 502 without a reason"),
        (502, b"{broken", ClusterUnreachable, "GET /x: 502 without a reason"),
        (502, b"\x1b[31mred", ClusterUnreachable, "GET /x: 502 without a reason"),
    ],
)
def test_reason_is_told_in_the_words_of_whoever_refused(
    code: int, body: bytes, kind: type[KubeError], words: str
) -> None:
    error = error_of("GET", "/x", code, {}, body)

    assert type(error) is kind
    assert str(error) == words
