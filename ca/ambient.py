"""The seams for the ambient world; `cli` makes the real ones, tests hand in others."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

Clock = Callable[[], datetime]
"""Returns the present instant: aware, UTC."""

Entropy = Callable[[int], bytes]
"""Returns that many octets nobody can guess."""


def epoch_seconds(instant: datetime) -> int:
    """Whole seconds since 1970, as the store keeps instants."""
    return int(instant.timestamp())


def random_id(entropy: Entropy) -> str:
    """An identifier of certificates, tokens and issuers: 32 lower-case hexadecimal digits."""
    return entropy(16).hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What the environment holds for the authority; a file that the settings name wins over it."""

    passphrase: bytes | None = field(default=None, repr=False)
    pkcs11_pin: bytes | None = field(default=None, repr=False)


NO_SECRETS = Secrets()
