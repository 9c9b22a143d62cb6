"""Names, as one import: the subject, the alternative names and SPIFFE identities.

- `subject` and `alternative_names` are what a certificate says, `name_forms` the text forms, `spiffe` an identity.
"""

from certs.alternative_names import MAX_NAMES, IpAddress, SubjectAlternativeNames, parse_ip_address
from certs.name_forms import parse_dns_name, parse_email, parse_uri
from certs.spiffe import SpiffeId, TrustDomain
from certs.subject import SubjectName

__all__ = [
    "MAX_NAMES",
    "IpAddress",
    "SpiffeId",
    "SubjectAlternativeNames",
    "SubjectName",
    "TrustDomain",
    "parse_dns_name",
    "parse_email",
    "parse_ip_address",
    "parse_uri",
]
