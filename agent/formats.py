"""The forms that an identity can be published in."""

from enum import StrEnum


class Format(StrEnum):
    """`pem` is what every set holds."""

    PEM = "pem"
    BUNDLE = "bundle"
    PKCS12 = "pkcs12"
    JKS = "jks"

    @property
    def has_password(self) -> bool:
        return self in {Format.PKCS12, Format.JKS}


def parse_formats(text: str) -> frozenset[Format]:
    """Reads `pem,bundle`. Raises ValueError."""
    return frozenset({Format.PEM, *(Format(name.strip()) for name in text.split(",") if name.strip())})
