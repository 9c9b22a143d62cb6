"""The authority without its edges: store, keys, issuers, policy and the path of issuance, composed once for each process.

- Opening it takes the data directory for this process alone, and founds the hierarchy where there is none.
- `close` undoes it in reverse; nothing is lost by not getting there.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509

from ca.ambient import NO_SECRETS, Clock, Entropy, Secrets
from ca.authority import Authority
from ca.authority_making import AuthorityMaker
from ca.bootstrap import BroughtHierarchy, HierarchyFounder, ensure_policy, keys_directory
from ca.cluster.own_namespace import OwnNamespace, opened_namespace
from ca.data_directory import DataDirectory
from ca.errors import ClusterUnavailable
from ca.issuers import Issuers
from ca.keys import SealingKey, is_anything_kept, open_keys
from ca.passphrase import ensure_passphrase
from ca.passphrase_change import finish_change
from ca.pkcs11_token import Pkcs11Token, TokenKeys, opened_token
from ca.policy_file import PolicyFile
from ca.restoring import verify_finished
from ca.revocations import Revocations
from ca.rotation.keeper import RotationKeeper
from ca.rotation.moves import Moves
from ca.settings import ServeSettings
from certs.keys import KeyFactory, KeyType, PublicKey, encode_private_key
from certs.names import SubjectName
from certs.pem import join_certificates
from certs.profiles import LEAF_PROFILES
from store.audit import AuditTrail
from store.authorities import Authorities
from store.database import Database, open_database, sqlite_path
from store.inventory import Inventory
from store.keys_at_rest import KeysAtRest
from store.pod_certificates import PodCertificates
from store.pods import Pods
from store.private_keys import PrivateKeys
from store.rotations import Rotations
from store.tokens import Tokens

ADMINISTRATORS = "chancery:administrators"
"""The organization to which the default policy gives everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What the edges work with."""

    settings: ServeSettings
    database: Database
    inventory: Inventory
    private_keys: PrivateKeys
    tokens: Tokens
    pod_certificates: PodCertificates
    pods: Pods
    audit: AuditTrail
    authorities: Authorities
    rotations: RotationKeeper
    issuers: Issuers
    policy: PolicyFile
    revocations: Revocations
    sealing_key: SealingKey
    authority: Authority
    clock: Clock
    entropy: Entropy
    key_factory: KeyFactory
    passphrase_source: str
    """Where the passphrase of the CA keys came from, for people."""
    founded: bool
    """Whether this opening made or imported the hierarchy."""
    namespace: OwnNamespace | None
    """Where passphrase or roots are kept in the cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdministratorIdentity:
    """A client identity with its key, for a directory on the administrator's machine. PEM throughout."""

    private_key: bytes
    chain: bytes
    roots: bytes
    certificate_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedAdministrator:
    """The same without the key, which stays where it was made."""

    chain: bytes
    roots: bytes
    certificate_id: str


@contextmanager
def open_office(
    settings: ServeSettings,
    *,
    clock: Clock,
    entropy: Entropy,
    key_factory: KeyFactory,
    brought: BroughtHierarchy | None = None,
    secrets: Secrets = NO_SECRETS,
    host_name: str = "",
) -> Iterator[Office]:
    """`host_name` is what people know this replica by. Raises Misconfigured leaves, StorageFault leaves, PassphraseError leaves."""
    with DataDirectory.open(settings.data_directory, create=True), opened_namespace(settings, clock) as namespace:
        verify_finished(settings)
        _verify_not_lost(settings, namespace)
        database = open_database(settings.database_url)
        try:
            finish_change(settings, database, clock)
            with opened_token(settings, secrets, entropy) as token:
                with nullcontext() if namespace is None else namespace.telling():
                    office = _compose(
                        settings,
                        database,
                        clock=clock,
                        entropy=entropy,
                        key_factory=key_factory,
                        brought=brought,
                        secrets=secrets,
                        token=token,
                        host_name=host_name,
                        namespace=namespace,
                    )
                yield office
        finally:
            database.close()


def issue_administrator(
    office: Office, *, common_name: str, lifetime: timedelta | None = None
) -> AdministratorIdentity:
    """Makes the identity that may do everything under the default policy; recorded like any other."""
    key = office.key_factory(KeyType.EC_P256)
    certified = certify_administrator(office, key.public_key(), common_name=common_name, lifetime=lifetime)
    return AdministratorIdentity(
        private_key=encode_private_key(key),
        chain=certified.chain,
        roots=certified.roots,
        certificate_id=certified.certificate_id,
    )


def certify_administrator(
    office: Office, public_key: PublicKey, *, common_name: str, lifetime: timedelta | None = None
) -> CertifiedAdministrator:
    """The same for a key that stays where it is. Raises what issuing raises."""
    record = office.authority.issue_own(
        public_key,
        purpose="init",
        profile="client",
        subject=SubjectName(common_name=common_name, organizations=(ADMINISTRATORS,)),
        usual_lifetime=lifetime or LEAF_PROFILES["client"].maximum_lifetime,
    )
    leaf = join_certificates([x509.load_der_x509_certificate(record.der)])
    return CertifiedAdministrator(
        chain=leaf + office.issuers.chain_pem(record.issuer_id),
        roots=office.issuers.bundle.pem,
        certificate_id=record.id,
    )


def _compose(
    settings: ServeSettings,
    database: Database,
    *,
    clock: Clock,
    entropy: Entropy,
    key_factory: KeyFactory,
    brought: BroughtHierarchy | None,
    secrets: Secrets,
    token: Pkcs11Token | None,
    host_name: str,
    namespace: OwnNamespace | None,
) -> Office:
    directory, authorities = keys_directory(settings), Authorities(database)
    kept = is_anything_kept(directory, KeysAtRest(database))
    passphrase = None
    if namespace is not None:
        namespace.verify_roots(authorities.list)
        passphrase = namespace.ensure_passphrase(entropy, anything_kept=kept)
    if passphrase is None:
        passphrase = ensure_passphrase(settings, entropy, given=secrets.passphrase, anything_kept=kept)
    ensure_policy(settings)
    policy = PolicyFile(settings.policy_file)
    at_rest = open_keys(directory, database, passphrase.octets, entropy)
    keys = at_rest if token is None else TokenKeys(token, at_rest)
    with passphrase.opening():
        sealing_key = SealingKey.adopt(authorities.sealing_key, passphrase.octets, entropy)
    maker = AuthorityMaker(
        settings=settings.hierarchy,
        clock=clock,
        entropy=entropy,
        key_factory=key_factory,
        authority_key_factory=None if token is None else token.make,
    )
    founded = HierarchyFounder(authorities=authorities, keys=keys, maker=maker).ensure(brought)
    issuers = Issuers(authorities, keys, key_factory)
    if namespace is not None:
        _publish(namespace, issuers, founded=founded)
    inventory = Inventory(database)
    revocations = Revocations(inventory)
    rotations = RotationKeeper(
        rotations=Rotations(database),
        inventory=inventory,
        issuers=issuers,
        revocations=revocations,
        moves=Moves(issuers=issuers, keys=keys, maker=maker, clock=clock, entropy=entropy),
        settings=settings.rotation,
        clock=clock,
        replica_id=_replica_id(host_name, settings),
    )
    authority = Authority(
        inventory=inventory,
        issuers=issuers,
        policy=policy,
        revocations=revocations,
        sealing_key=sealing_key,
        settings=settings.issuance,
        clock=clock,
        entropy=entropy,
    )
    return Office(
        settings=settings,
        database=database,
        inventory=inventory,
        private_keys=PrivateKeys(database),
        tokens=Tokens(database),
        pod_certificates=PodCertificates(database),
        pods=Pods(database),
        audit=AuditTrail(database),
        authorities=authorities,
        rotations=rotations,
        issuers=issuers,
        policy=policy,
        revocations=revocations,
        sealing_key=sealing_key,
        authority=authority,
        clock=clock,
        entropy=entropy,
        key_factory=key_factory,
        passphrase_source=passphrase.source,
        founded=founded,
        namespace=namespace,
    )


def _verify_not_lost(settings: ServeSettings, namespace: OwnNamespace | None) -> None:
    """Before a database is made: a volume that came back empty stays so, and a backup can be restored there.

    Raises AuthorityLost.
    """
    path = sqlite_path(settings.database_url)
    if namespace is not None and path is not None and not path.exists():
        with namespace.telling():
            namespace.verify_roots(tuple)


def _publish(namespace: OwnNamespace, issuers: Issuers, *, founded: bool) -> None:
    """What has just been founded is published before anything is issued: there might be another authority by now."""
    publication = namespace.publication(issuers, at_the_start=True)
    try:
        if publication is not None:
            publication.publish()
    except ClusterUnavailable:
        if founded:
            raise


def _replica_id(host_name: str, settings: ServeSettings) -> str:
    """The same after a restart, so that nobody waits for the one that was killed; a data directory is one process's at a time."""
    directory = hashlib.sha256(str(settings.data_directory).encode()).hexdigest()[:8]
    return "-".join(filter(None, (host_name, directory)))
