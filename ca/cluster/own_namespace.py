"""What the authority keeps in its own namespace: opened once for a process, where a setting names a Secret.

- The order of a start: what is published is read, then the store, then the passphrase is made or adopted. In any other order one
  of several replicas that start together could take another's first steps for a loss.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from ca.ambient import Clock, Entropy
from ca.cluster.connection import ClusterConnection
from ca.cluster.events import SecretEvents
from ca.cluster.passphrase import ensure_passphrase_secret
from ca.cluster.roots import RootsPublication, find_published, verify_belongs
from ca.cluster.secrets import ClusterSecrets, Patience
from ca.errors import AuthorityLost, AuthorityMismatch, ClusterUnavailable, Misconfigured, SettingsInvalid
from ca.hierarchy import TrustBundle
from ca.issuers import Issuers
from ca.passphrase import Passphrase
from ca.settings import ServeSettings
from certs.errors import PassphraseError
from store.records import AuthorityRecord

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_AT_THE_START = Patience(attempts=6)
"""A quarter of a minute and what the answers take; then the process ends, and whoever started it does so again."""
_IN_PASSING = Patience(attempts=1)

_log = structlog.get_logger("chancery.namespace")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNamespace:
    """`passphrase_secret` and `roots_secret` are empty where no setting names one."""

    connection: ClusterConnection
    namespace: str
    events: SecretEvents
    passphrase_secret: str
    roots_secret: str
    trust_domain: str
    patience: Patience = _AT_THE_START
    """Of what must be answered before anything is served."""

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Tells the cluster, too, why a start comes to nothing."""
        try:
            yield
        except (Misconfigured, PassphraseError) as err:
            self.tell(err)
            raise

    def tell(self, error: Misconfigured | PassphraseError) -> None:
        about_roots = isinstance(error, (AuthorityLost, AuthorityMismatch)) or not self.passphrase_secret
        secret = self.roots_secret if self.roots_secret and about_roots else self.passphrase_secret
        self.events.warn(secret, reason=error.reason, message=str(error))

    def verify_roots(self, records: Callable[[], Sequence[AuthorityRecord]]) -> None:
        """Compares what is published with the store, which `records` reads after that. Without an answer of the cluster a first
        start ends, and a later one goes on. Raises AuthorityLost, AuthorityMismatch, SecretMalformed, ClusterRefused,
        ClusterUnavailable."""
        if not self.roots_secret:
            return
        try:
            published = find_published(self._secrets(self.patience), self.roots_secret)
        except ClusterUnavailable as err:
            if not records():
                raise
            _log.warning("the published roots were not compared", secret=self.roots_secret, error=str(err))
        else:
            verify_belongs(published, records(), self.trust_domain)

    def ensure_passphrase(self, entropy: Entropy, *, anything_kept: bool) -> Passphrase | None:
        """None where it is not kept here. Raises PassphraseLost, SecretMalformed, ClusterUnavailable, ClusterRefused."""
        if not self.passphrase_secret:
            return None
        secrets = self._secrets(self.patience)
        return ensure_passphrase_secret(secrets, self.passphrase_secret, entropy, anything_kept=anything_kept)

    def publication(self, issuers: Issuers, *, at_the_start: bool) -> RootsPublication | None:
        if not self.roots_secret:
            return None

        def look() -> tuple[Sequence[AuthorityRecord], TrustBundle]:
            issuers.refresh()
            return issuers.records, issuers.bundle

        return RootsPublication(
            secrets=self._secrets(self.patience if at_the_start else _IN_PASSING),
            name=self.roots_secret,
            trust_domain=self.trust_domain,
            look=look,
        )

    def _secrets(self, patience: Patience) -> ClusterSecrets:
        return ClusterSecrets(connection=self.connection, namespace=self.namespace, patience=patience, sleep=time.sleep)


@contextmanager
def opened_namespace(settings: ServeSettings, clock: Clock) -> Iterator[OwnNamespace | None]:
    """None where no setting names a Secret. Raises SettingsInvalid."""
    cluster = settings.kubernetes
    if not cluster.kubernetes_passphrase_secret and not cluster.kubernetes_roots_secret:
        yield None
        return
    setting = "kubernetes_passphrase_secret" if cluster.kubernetes_passphrase_secret else "kubernetes_roots_secret"
    connection = ClusterConnection.open(cluster.kubernetes_kubeconfig, setting=setting)
    try:
        namespace = cluster.kubernetes_namespace or _pod_namespace()
        yield OwnNamespace(
            connection=connection,
            namespace=namespace,
            events=SecretEvents(connection=connection, namespace=namespace, clock=clock),
            passphrase_secret=cluster.kubernetes_passphrase_secret,
            roots_secret=cluster.kubernetes_roots_secret,
            trust_domain=settings.hierarchy.trust_domain,
        )
    finally:
        connection.close()


def _pod_namespace() -> str:
    """Raises SettingsInvalid."""
    try:
        return _NAMESPACE_FILE.read_text().strip()
    except OSError as err:
        raise SettingsInvalid(
            [f"kubernetes_namespace: {_NAMESPACE_FILE} cannot be read: {err.strerror}; say the namespace"]
        ) from err
