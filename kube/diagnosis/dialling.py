"""Fresh handshakes with whoever serves a target: what was shown, or what came instead."""

import socket
import ssl
from collections.abc import Callable

from certs.errors import CertsError
from certs.pem import load_certificate
from kube.diagnosis.chains import Served
from kube.diagnosis.reaching import Miss, Missed
from serving.served_chain import fetch_chain

DIAL_SECONDS = 3.0

Dial = Callable[[str, int, str], Served | Missed]
"""Host, port, and the name to ask for."""


def dial(host: str, port: int, server_name: str) -> Served | Missed:
    try:
        chain = fetch_chain(host, port, server_name=server_name, timeout=DIAL_SECONDS)
        return Served(chain=tuple(map(load_certificate, chain)))
    except socket.gaierror as err:
        return Missed(miss=Miss.UNRESOLVED, detail=f"{host} has no address: {err.strerror}")
    except ConnectionRefusedError:
        return Missed(miss=Miss.REFUSED, detail="connection refused")
    except (ssl.SSLError, ConnectionResetError) as err:
        return Missed(miss=Miss.NO_TLS, detail=_in_words(err))
    except CertsError as err:
        return Missed(miss=Miss.NO_TLS, detail=f"what it shows is no certificate: {err}")
    except (OSError, ValueError) as err:
        return Missed(miss=Miss.SILENT, detail=str(getattr(err, "strerror", None) or err))


def _in_words(err: ssl.SSLError | ConnectionResetError) -> str:
    if isinstance(err, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionResetError)):
        return "the connection is closed before a certificate is shown"
    return (err.reason or str(err)).replace("_", " ").lower()
