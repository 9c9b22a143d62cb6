"""TLS contexts for the HTTP edge: TLS 1.3, client certificates welcome but not required.

- No session tickets: each connection is a full handshake, so a client certificate is checked each time.
"""

import ssl

from ca.errors import AuthorityMismatch
from ca.serving import ServingPair
from serving.tls import load_pair


def server_context(pair: ServingPair, client_trust_pem: bytes) -> ssl.SSLContext:
    """A context for one serving pair; a renewed pair gets a new one. Raises AuthorityMismatch."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_OPTIONAL
    try:
        context.load_verify_locations(cadata=client_trust_pem.decode())
        load_pair(context, private_key=pair.private_key, chain=pair.chain)
    except ssl.SSLError as err:
        reason = f"OpenSSL cannot serve TLS under this hierarchy ({err.reason}); found one with another key type"
        raise AuthorityMismatch(reason) from err
    return context
