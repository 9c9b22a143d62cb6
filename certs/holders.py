"""What a certificate says of its holder: names and key, as our own values."""

from cryptography import x509

from certs.keys import PublicKey, key_type_of
from certs.names import SubjectAlternativeNames


def alternative_names(certificate: x509.Certificate) -> SubjectAlternativeNames:
    """Empty where the extension is missing. Raises MalformedName, TooManyNames for names of a kind or form that we never write."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return SubjectAlternativeNames()
    return SubjectAlternativeNames.from_x509(extension.value)


def public_key(certificate: x509.Certificate) -> PublicKey:
    """Raises UnsupportedKeyType."""
    key = certificate.public_key()
    key_type_of(key)
    if not isinstance(key, PublicKey):
        raise TypeError(f"{type(key).__name__} has a key type but is no public key of ours")
    return key
