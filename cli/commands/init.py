"""`ca-cli init`."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ca.ambient import epoch_seconds
from ca.errors import AlreadyInitialised
from ca.settings import ServeSettings
from cli import ambient
from cli.errors import InputInvalid
from cli.identity import ADMINISTRATOR, CERTIFICATE_FILE, STANDARD_OUTPUT, verify_free, write_administrator
from cli.inputs import read_input
from cli.new_administrator import ask_running_server, deliver, make_for_archive
from cli.next_issuer import replace_issuer
from cli.options import DIRECTORY, DURATION, FILE
from cli.output import OutputFormat, output_choice, show_fields
from cli.passphrases import find_secret
from cli.server_settings import read_settings, settings_options
from cli.text import instant

if TYPE_CHECKING:
    from cryptography import x509

    from ca.authority_making import Pair
    from ca.bootstrap import BroughtHierarchy
    from ca.office import Office
    from certs.keys import PrivateKey


_IN_A_CLUSTER = (
    "kubernetes_kubeconfig",
    "kubernetes_namespace",
    "kubernetes_passphrase_secret",
    "kubernetes_roots_secret",
    "kubernetes_registrar",
)


@click.command(
    "init",
    short_help="Make an authority: root, issuing CA, policy, administrator.",
    epilog="""\b
Examples:
  ca-cli init
  ca-cli init --trust-domain example.com --key-type ec-p384
  ca-cli init --key-type ml-dsa-65 --no-mtls   (to be served without TLS, where this Python's TLS knows no ML-DSA)
  ca-cli init --passphrase-file /run/secrets/chancery/passphrase
  ca-cli init --root-cert root.pem --root-key root.key --root-key-passphrase-file pass
  ca-cli init --root-cert root.pem --issuer-cert ca.pem --issuer-key ca.key   (the root's key stays offline)
  ca-cli init --next-issuer-csr issuer.csr   (an issuing CA has expired and the root's key is elsewhere; sign it there)
  ca-cli init --next-issuer issuer.pem
  ca-cli init --new-administrator --identity ./alice --administrator alice
  kubectl exec chancery-0 -- ca-cli init --new-administrator --identity - | tar -x -C ./alice""",
)
@settings_options(groups=("storage", "hierarchy"), names=("policy_file", "mtls", *_IN_A_CLUSTER))
@click.option(
    "--identity",
    type=DIRECTORY,
    envvar="CHANCERY_IDENTITY",
    help="Where the administrator's identity goes; $CHANCERY_HOME/identity by default. `-`: to standard output, as a tar archive.",
)
@click.option("--administrator", default=ADMINISTRATOR, show_default=True, help="The administrator's common name.")
@click.option(
    "--administrator-ttl", type=DURATION, help="How long the administrator's certificate lives.  [default: 90d]"
)
@click.option(
    "--new-administrator",
    is_flag=True,
    help="Make another administrator for an authority that exists, whether its server runs or not.",
)
@click.option("--force", is_flag=True, help="Replace an identity that is there.")
@click.option("--root-cert", type=FILE, help="A root of your own, PEM.")
@click.option("--root-key", type=FILE, help="Its key, PEM; without it, bring an issuing CA too.")
@click.option(
    "--root-key-passphrase-file", type=FILE, help="Passphrase of that key; or set CHANCERY_ROOT_KEY_PASSPHRASE."
)
@click.option("--issuer-cert", type=FILE, help="An issuing CA of your own under --root-cert, PEM.")
@click.option("--issuer-key", type=FILE, help="Its key, PEM.")
@click.option(
    "--issuer-key-passphrase-file", type=FILE, help="Passphrase of that key; or set CHANCERY_ISSUER_KEY_PASSPHRASE."
)
@click.option(
    "--next-issuer-csr",
    type=FILE,
    help="With the server stopped, for an issuing CA that has expired: as `rotate issuer --csr-out`.",
)
@click.option(
    "--next-issuer", type=FILE, help="The same: as `rotate issuer --certificate`; then `serve` goes on with it."
)
@output_choice("table", "plain", "json", "yaml")
def command(
    identity: Path | None,
    administrator: str,
    administrator_ttl: timedelta | None,
    new_administrator: bool,
    force: bool,
    root_cert: Path | None,
    root_key: Path | None,
    root_key_passphrase_file: Path | None,
    issuer_cert: Path | None,
    issuer_key: Path | None,
    issuer_key_passphrase_file: Path | None,
    next_issuer_csr: Path | None,
    next_issuer: Path | None,
    output: OutputFormat,
    **given: object,
) -> None:
    """Make an authority: root, issuing CA, policy, and the identity of its administrator.

    Nothing that exists is made anew. Keys are encrypted under a passphrase: that of --passphrase-file, or of the variable
    CHANCERY_PASSPHRASE, or one that is made beside them. `serve` runs what `init` made.
    """
    from ca.office import open_office
    from cli.logs import configure_logs

    configure_logs(log_format="console", log_level="error")
    settings = read_settings(given)
    if next_issuer_csr is not None or next_issuer is not None:
        replace_issuer(settings, csr_out=next_issuer_csr, certificate=next_issuer)
        return
    if new_administrator and (root_cert or root_key or issuer_cert or issuer_key):
        raise click.UsageError("--new-administrator is for an authority that exists; it is not brought another root")
    directory = identity or ambient.home() / "identity"
    verify_free(directory, replace=force)
    if new_administrator:
        made = ask_running_server(settings, common_name=administrator, lifetime=administrator_ttl)
        if made is not None:
            deliver(made, directory, output)
            return
    brought = _brought_hierarchy(
        _brought_pair("root", root_cert, root_key, root_key_passphrase_file),
        _brought_pair("issuer", issuer_cert, issuer_key, issuer_key_passphrase_file),
    )
    with open_office(
        settings,
        clock=ambient.clock,
        entropy=ambient.entropy,
        key_factory=ambient.make_key,
        brought=brought,
        secrets=ambient.secrets(),
    ) as office:
        if not new_administrator and _is_finished(office):
            raise AlreadyInitialised(
                f"{settings.data_directory} holds an authority already; `ca-cli serve` runs it, "
                "and --new-administrator makes another administrator"
            )
        if directory == STANDARD_OUTPUT:
            make_for_archive(office, common_name=administrator, lifetime=administrator_ttl)
            return
        write_administrator(office, directory, replace=True, common_name=administrator, lifetime=administrator_ttl)
        _show(office, settings, directory, output)


def _is_finished(office: "Office") -> bool:
    """Whether an earlier run got as far as its first certificate; one that was killed before goes on."""
    return not office.founded and office.inventory.counts(now=epoch_seconds(office.clock())).total > 0


def _show(office: "Office", settings: ServeSettings, directory: Path, output: OutputFormat) -> None:
    from certs.fingerprints import certificate_fingerprint
    from certs.pem import load_certificates, split_certificates

    roots = split_certificates(office.issuers.bundle.pem)
    issuer = office.issuers.active().issuer
    leaf = load_certificates((directory / CERTIFICATE_FILE).read_bytes())[0]
    fingerprints = [certificate_fingerprint(root).hex() for root in roots]
    show_fields(
        [
            ("authority", str(settings.data_directory)),
            ("trust domain", settings.hierarchy.trust_domain),
            *(
                ("root", f"{root.subject.rfc4514_string()}, until {instant(root.not_valid_after_utc)}")
                for root in roots
            ),
            *(("root sha256", fingerprint) for fingerprint in fingerprints),
            ("issuer", f"{issuer.certificate.subject.rfc4514_string()}, until {instant(issuer.not_after)}"),
            ("policy", str(settings.policy_file)),
            ("passphrase", office.passphrase_source),
            ("administrator", f"{directory}, until {instant(leaf.not_valid_after_utc)}"),
            ("next", "ca-cli serve" if settings.listeners.mtls else "ca-cli serve --no-mtls"),
        ],
        {
            "data_directory": str(settings.data_directory),
            "trust_domain": settings.hierarchy.trust_domain,
            "root_sha256_fingerprints": list(fingerprints),
            "issuer": issuer.certificate.subject.rfc4514_string(),
            "policy_file": str(settings.policy_file),
            "passphrase_file": str(settings.passphrase_file),
            "identity": str(directory),
            "identity_not_after_time": instant(leaf.not_valid_after_utc),
        },
        str(settings.data_directory),
        output,
    )


def _brought_hierarchy(root: "Pair | None", issuer: "Pair | None") -> "BroughtHierarchy | None":
    from ca.bootstrap import BroughtHierarchy

    if root is None:
        if issuer is not None:
            raise click.UsageError("--issuer-cert needs the root above it: give --root-cert")
        return None
    if root.private_key is None and issuer is None:
        raise click.UsageError(
            "--root-cert without --root-key needs an issuing CA: give --issuer-cert and --issuer-key"
        )
    return BroughtHierarchy(root=root, issuer=issuer)


def _brought_pair(what: str, certificate: Path | None, key: Path | None, passphrase_file: Path | None) -> "Pair | None":
    from ca.authority_making import Pair

    if certificate is None:
        if key is not None:
            raise click.UsageError(f"--{what}-key needs --{what}-cert")
        return None
    private_key = None
    if key is not None:
        passphrase = find_secret(
            f"passphrase of {key}", file=passphrase_file, variable=f"CHANCERY_{what.upper()}_KEY_PASSPHRASE"
        )
        private_key = _read_key(key, passphrase)
    return Pair(certificate=_read_certificate(certificate), private_key=private_key)


def _read_key(path: Path, passphrase: bytes | None) -> "PrivateKey":
    """Raises InputInvalid, PassphraseRequired, WrongPassphrase."""
    from certs.errors import MalformedKey, UnsupportedKeyType
    from certs.keys import load_private_key

    try:
        return load_private_key(read_input(path), passphrase)
    except (MalformedKey, UnsupportedKeyType) as err:
        raise InputInvalid(f"{path}: {err}") from err


def _read_certificate(path: Path) -> "x509.Certificate":
    """Raises InputInvalid."""
    from certs.errors import MalformedCertificate
    from certs.pem import load_certificate

    try:
        return load_certificate(read_input(path))
    except MalformedCertificate as err:
        raise InputInvalid(f"{path}: {err}") from err
