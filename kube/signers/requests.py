"""The PKCS#10 request in an object, and what of its names no signer of ours lets through.

- Whatever is in the field, of whatever type, becomes a `CertificateRequest` or a refusal with a reason.
"""

import base64
import binascii
from dataclasses import dataclass
from unicodedata import normalize

from certs.errors import CaRequested, CertsError, UnsupportedKeyType, WeakKey
from certs.names import SubjectName
from certs.requests import MAX_REQUEST_OCTETS, CertificateRequest
from kube.documents import JsonValue
from kube.signers.decisions import Deny

_LONGEST_BASE64 = MAX_REQUEST_OCTETS * 4 // 3 + 4
_RESERVED = ("system:", "chancery:")
_UNSUPPORTED_KEY = "UnsupportedKeyType"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequest:
    """As it was sent, and as it was read."""

    octets: bytes
    request: CertificateRequest


def read_request(field: JsonValue) -> SentRequest | Deny:
    """Of a field that holds base64 of PEM or DER, with CA rights refused and possession of the key proven (RFC 2986)."""
    if not isinstance(field, str) or not field or len(field) > _LONGEST_BASE64:
        return Deny(reason="MalformedRequest", message="there is no PKCS#10 request of at most 64 KiB in the object")
    try:
        octets = base64.b64decode(field, validate=True)
        return SentRequest(octets=octets, request=CertificateRequest.from_bytes(octets))
    except (binascii.Error, ValueError) as err:
        return Deny(reason="MalformedRequest", message=f"the request is no base64: {err}")
    except CaRequested as err:
        return Deny(reason="CertificateAuthorityRequested", message=str(err))
    except (UnsupportedKeyType, WeakKey) as err:
        return Deny(reason=_UNSUPPORTED_KEY, message=str(err))
    except CertsError as err:
        return Deny(reason="MalformedRequest", message=str(err))


def reserved_name(subject: SubjectName) -> str:
    """The first common name or organization that belongs to Kubernetes (`system:`) or the authority itself; empty where none.

    Compared without regard to case, width and spaces (RFC 5280 §7.1), as those who read it may.
    """
    values = (*filter(None, (subject.common_name,)), *subject.organizations, *subject.organizational_units)
    for value in values:
        if "".join(normalize("NFKC", value).casefold().split()).startswith(_RESERVED):
            return value
    return ""


def beyond_common_name(subject: SubjectName) -> bool:
    """Whether the subject says anything but a common name."""
    return subject != SubjectName(common_name=subject.common_name)
