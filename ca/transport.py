"""How gRPC is kept to TLS 1.3, for which it has no setting (ADR 4).

Imports nothing, as it must be heeded before gRPC is imported.
"""

from collections.abc import Mapping

FORCE_TLS_1_3: Mapping[str, str] = {"GRPC_SSL_CIPHER_SUITES": "ECDHE-RSA-CHACHA20-POLY1305"}
"""What the process's environment must hold by then: the one TLS 1.2 suite offered needs an RSA certificate, and ours is ECDSA."""
