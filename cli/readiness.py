"""Whether a server says that it is ready: for health checks, which have no identity."""

import http.client
import json
import ssl

from ca.client.errors import ServerUnreachable
from cli import ambient
from cli.endpoint import Endpoint

READINESS_PATH = "/readyz"


def verify_ready(endpoint: Endpoint) -> None:
    """Raises ServerUnreachable, with the server's own reason where it gave one.

    The answer is not a secret and is not acted upon, so the server's certificate is not verified.
    """
    address = endpoint.http_address
    if endpoint.plaintext or ambient.environment("CHANCERY_MTLS") in {"false", "no", "0"}:
        connection = http.client.HTTPConnection(address.host, address.port, timeout=endpoint.seconds)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(address.host, address.port, timeout=endpoint.seconds, context=context)
    try:
        connection.request("GET", READINESS_PATH)
        answer = connection.getresponse()
        reason = answer.read(1000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as err:
        raise ServerUnreachable(f"cannot reach {address}: {getattr(err, 'strerror', None) or err}") from err
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise ServerUnreachable(f"{address} is not ready: {_detail(reason) or answer.status}")


def _detail(answer: str) -> str:
    """The sentence of a problem document (RFC 9457), or the answer as it is."""
    try:
        document = json.loads(answer)
    except json.JSONDecodeError:
        return answer
    return str(document.get("detail", answer)) if isinstance(document, dict) else answer
