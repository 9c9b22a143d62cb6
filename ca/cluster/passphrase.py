"""The passphrase of the CA keys in a Kubernetes Secret: made by whichever replica is first, adopted by all others.

- Made only where nothing is kept under one yet, and never replaced: what is there and cannot be used stops the start.
- Whether something is kept must have been found out before this is asked: what was kept then, was kept under a passphrase that
  was in the Secret before.
"""

from contextlib import suppress

from ca.ambient import Entropy
from ca.cluster.faults import Occupied
from ca.cluster.secrets import Secret, SecretStore
from ca.errors import PassphraseLost, SecretMalformed
from ca.passphrase import Passphrase, fresh_passphrase, read_passphrase
from certs.errors import PassphraseRequired

PASSPHRASE_KEY = "passphrase"  # noqa: S105 - an entry's name


def ensure_passphrase_secret(secrets: SecretStore, name: str, entropy: Entropy, *, anything_kept: bool) -> Passphrase:
    """Raises PassphraseLost, SecretMalformed, ClusterUnavailable, ClusterRefused."""
    secret = secrets.get(name)
    if secret is None and anything_kept:
        raise PassphraseLost(
            f"the passphrase of the CA keys is not in Secret {name}: there is no such Secret, but there are keys; "
            f"put the passphrase back: kubectl create secret generic {name} --from-file={PASSPHRASE_KEY}=FILE"
        )
    return _read(secret or _make(secrets, name, entropy))


def _make(secrets: SecretStore, name: str, entropy: Entropy) -> Secret:
    with suppress(Occupied):  # another replica was quicker, or an answer was lost on its way
        secrets.create(name, {PASSPHRASE_KEY: fresh_passphrase(entropy)}, {})
    secret = secrets.get(name)
    if secret is None:
        raise PassphraseLost(f"Secret {name} was deleted while it was being made; start again")
    return secret


def _read(secret: Secret) -> Passphrase:
    source = f"Secret {secret.name}"
    if PASSPHRASE_KEY not in secret.data:
        raise SecretMalformed(
            f"{source} has no entry {PASSPHRASE_KEY!r}; put the passphrase of the CA keys there, or, before the first start of "
            "the authority, delete the Secret and have it made"
        )
    try:
        return Passphrase(octets=read_passphrase(secret.data[PASSPHRASE_KEY], source), source=source)
    except PassphraseRequired as err:
        raise SecretMalformed(str(err)) from err
