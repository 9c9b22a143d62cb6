"""Whether a service has what it needs: the files belong together and are valid now."""

from pathlib import Path

from agent.errors import IdentityNotReady
from agent.identity import load_credentials
from agent.schedule import Clock


def verify_ready(directory: Path, clock: Clock) -> None:
    """Raises CredentialsInvalid, IdentityNotReady."""
    held, now = load_credentials(directory), clock()
    if not held.not_before <= now <= held.not_after:
        raise IdentityNotReady(
            f"the certificate is valid from {held.not_before:%Y-%m-%dT%H:%M:%SZ} to {held.not_after:%Y-%m-%dT%H:%M:%SZ}, "
            f"and it is {now:%Y-%m-%dT%H:%M:%SZ}"
        )
