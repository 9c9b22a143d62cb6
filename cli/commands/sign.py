"""`ca-cli sign`."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import ambient
from cli.bulk import sign_many
from cli.documents import certificate_document, certificate_fields
from cli.endpoint import Endpoint
from cli.errors import InputInvalid
from cli.identity import verify_free, write_identity
from cli.inputs import STANDARD_INPUT, read_input
from cli.names import RequestedNames, directory_name
from cli.options import (
    ANY_PATH,
    DIRECTORY,
    DURATION,
    FILE,
    connection_options,
    key_type_option,
    name_options,
    offer_profiles,
)
from cli.output import OutputFormat, notice, output_choice, show_fields
from cli.packing import write_pkcs12
from cli.passphrases import find_secret, read_secret
from cli.trusting import root_for_token

if TYPE_CHECKING:
    from ca.client.authority import CaClient
    from ca.client.values import IssuedCertificate
    from certs.keys import KeyType, PrivateKey

TOKEN_VARIABLE = "CHANCERY_TOKEN"  # noqa: S105  the name of a variable
P12_VARIABLE = "CHANCERY_P12_PASSPHRASE"
P12_BESIDE = "tls.p12"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for, whichever way it is asked."""

    requested: RequestedNames
    profile: str
    lifetime: timedelta | None
    key_type: "KeyType"
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A certificate on its way to the disk. `private_key` is None where it was never here."""

    certificate: "IssuedCertificate"
    private_key: "PrivateKey | None"
    roots: bytes


@click.command(
    "sign",
    short_help="Make a key and have it certified.",
    epilog="""\b
Examples:
  ca-cli sign --dns web.example.com --ip 10.0.0.7
  ca-cli sign --cn alice --org developers --p12
  ca-cli sign --uri spiffe://cluster.local/ns/default/sa/web --out ./web
  ca-cli sign --csr request.pem --out -
  ca-cli sign --token-file token.txt --http-server ca.example.com:8111 --server ca.example.com
  ca-cli sign --csr-dir ./requests --out ./certificates""",
)
@name_options
@click.option(
    "--profile",
    default="",
    shell_complete=offer_profiles,
    help="server, client, peer, workload or ocsp.  [default: workload for a SPIFFE ID, server for a host, else client]",
)
@click.option("--ttl", type=DURATION, help="Lifetime of the certificate; the profile's default otherwise.")
@key_type_option("Type of the key that is made.")
@click.option(
    "--csr", type=ANY_PATH, help="Have this request signed, PEM or DER, instead of making a key; - for standard input."
)
@click.option("--server-key", is_flag=True, help="Let the authority make the key, and fetch it at once.")
@click.option("--leave-key", is_flag=True, help="With --server-key: leave it there for `fetch ID --key`.")
@click.option(
    "--token-file",
    type=ANY_PATH,
    help="Enroll with the token in this file, or - for standard input; or set CHANCERY_TOKEN.",
)
@click.option("--token", is_flag=True, help="Enroll with a token that is asked for.")
@click.option("--request-id", default="", help="Makes a retry return the same certificate.")
@click.option(
    "--out", type=ANY_PATH, help="Directory for tls.crt, tls.key and ca.crt; - writes the chain to standard output."
)
@click.option("--force", is_flag=True, help="Replace an identity that is there.")
@click.option(
    "--p12",
    type=FILE,
    is_flag=False,
    flag_value=Path(P12_BESIDE),
    help="Also pack key and chain into this PKCS#12 file; without a name, into tls.p12 beside the others.",
)
@click.option("--p12-passphrase-file", type=ANY_PATH, help="Its passphrase; or set CHANCERY_P12_PASSPHRASE, or answer.")
@click.option("--csr-dir", type=DIRECTORY, help="Have every *.csr and *.pem request in this directory signed.")
@click.option(
    "--count", type=click.IntRange(1, 1_000_000), help="Make so many keys and have each certified for the same names."
)
@output_choice("table", "plain", "json", "yaml", "name")
@connection_options
def command(
    endpoint: Endpoint,
    requested: RequestedNames,
    profile: str,
    ttl: timedelta | None,
    key_type: "KeyType",
    csr: Path | None,
    server_key: bool,
    leave_key: bool,
    token_file: Path | None,
    token: bool,
    request_id: str,
    out: Path | None,
    force: bool,
    p12: Path | None,
    p12_passphrase_file: Path | None,
    csr_dir: Path | None,
    count: int | None,
    output: OutputFormat,
) -> None:
    """Make a key and have it certified.

    The key is made here and stays here, unless --csr brings a request or --server-key asks the authority to make it. The
    result lies in a directory called after the first name.
    """
    order = Order(
        requested=requested,
        profile=profile or ("" if requested.is_empty else requested.usual_profile),
        lifetime=ttl,
        key_type=key_type,
        request_id=request_id or _fresh_request_id(),
    )
    _verify_combination(csr=csr, server_key=server_key, leave_key=leave_key, csr_dir=csr_dir, count=count, p12=p12)
    secret = _token_secret(token_file, asked=token)
    if csr_dir or count:
        if secret is not None:
            raise click.UsageError("a token is worth one certificate; leave out --csr-dir and --count")
        with endpoint.client() as client:
            sign_many(client, order, csr_dir=csr_dir, count=count or 0, out=out or Path("certificates"))
        return
    directory = _output_directory(out, order, enrolling=secret is not None, csr=csr, endpoint=endpoint)
    if directory is not None:
        verify_free(directory, replace=force)
    passphrase = _p12_passphrase(p12, p12_passphrase_file)
    if secret is not None:
        signed = _enroll(endpoint, order, csr, secret)
    else:
        with endpoint.client() as client:
            signed = _sign(client, order, csr, server_key=server_key, leave_key=leave_key)
    _deliver(signed, directory, order, output)
    if p12 is not None:
        beside = directory is not None and p12 == Path(P12_BESIDE)
        _pack(signed, directory / p12 if directory is not None and beside else p12, passphrase)


def _verify_combination(
    *, csr: Path | None, server_key: bool, leave_key: bool, csr_dir: Path | None, count: int | None, p12: Path | None
) -> None:
    sources = [
        name
        for name, given in (("--csr", csr), ("--server-key", server_key), ("--csr-dir", csr_dir), ("--count", count))
        if given
    ]
    if len(sources) > 1:
        raise click.UsageError(f"{' and '.join(sources)} say different things; give one of them")
    if leave_key and not server_key:
        raise click.UsageError("--leave-key goes with --server-key")
    if p12 and (csr or csr_dir or count or leave_key):
        raise click.UsageError("--p12 needs the key, which is not here")


def _token_secret(file: Path | None, *, asked: bool) -> str | None:
    if asked and file is None:
        return read_secret("token", file=None, variable=TOKEN_VARIABLE, option="--token-file").decode()
    found = find_secret("token", file=file, variable=TOKEN_VARIABLE)
    return found.decode() if found is not None else None


def _sign(client: "CaClient", order: Order, csr: Path | None, *, server_key: bool, leave_key: bool) -> Signed:
    from certs.keys import load_private_key

    roots = client.trust.get_trust_bundle().roots_pem
    if server_key:
        certificate = client.certificates.issue_certificate(
            subject=order.requested.subject,
            names=order.requested.alternative_names,
            profile=order.profile,
            key_type=order.key_type,
            lifetime=order.lifetime,
            request_id=order.request_id,
        )
        key = None if leave_key else load_private_key(client.certificates.get_private_key(certificate.id))
        return Signed(certificate=certificate, private_key=key, roots=roots)
    request, key = _request(order, csr)
    certificate = client.certificates.sign_csr(
        request, profile=order.profile, lifetime=order.lifetime, request_id=order.request_id
    )
    return Signed(certificate=certificate, private_key=key, roots=roots)


def _enroll(endpoint: Endpoint, order: Order, csr: Path | None, secret: str) -> Signed:
    request, key = _request(order, csr)
    with endpoint.enrollment_client(root_for_token(endpoint, secret)) as client:
        enrolled = client.enroll(secret, request, lifetime=order.lifetime, request_id=order.request_id)
    return Signed(certificate=enrolled.certificate, private_key=key, roots=enrolled.trust_bundle_pem)


def _request(order: Order, csr: Path | None) -> "tuple[bytes, PrivateKey | None]":
    """The request of a file, as it is; or one for a fresh key."""
    from certs.requests import build_request

    if csr is not None:
        if not order.requested.is_empty:
            raise InputInvalid("the names are those of the request; leave them out beside --csr")
        return read_input(csr, limit=1 << 17), None
    subject, names = order.requested.subject, order.requested.alternative_names
    key = ambient.make_key(order.key_type)
    return build_request(key, subject, names), key


def _output_directory(
    out: Path | None, order: Order, *, enrolling: bool, csr: Path | None, endpoint: Endpoint
) -> Path | None:
    """Where the files go; None for standard output. A token without names is this machine's own identity."""
    if out == STANDARD_INPUT:
        if csr is None:
            raise click.UsageError("--out - writes the chain alone; with a key that is made here, name a directory")
        return None
    if out is not None:
        return out
    if order.requested.first:
        return Path(directory_name(order.requested.first))
    if enrolling:
        return endpoint.identity_directory
    if csr is not None and csr != STANDARD_INPUT:
        return Path(directory_name(csr.stem))
    if csr is not None:
        return None
    raise click.UsageError("say whom the certificate is for: --dns, --ip, --uri, --email or --cn")


def _deliver(signed: Signed, directory: Path | None, order: Order, output: OutputFormat) -> None:
    from certs.keys import encode_private_key

    certificate = signed.certificate
    if directory is None:
        click.echo(certificate.full_chain_pem, nl=False)
        return
    key = encode_private_key(signed.private_key) if signed.private_key is not None else None
    written = write_identity(directory, chain=certificate.full_chain_pem, private_key=key, roots=signed.roots)
    fields = certificate_fields(certificate, ambient.clock())
    files = [("written", str(path)) for path in written]
    document = certificate_document(certificate) | {"files": [str(path) for path in written]}
    show_fields([*fields, *files], document, certificate.id, output)
    if order.requested.first and signed.private_key is None and certificate.has_private_key:
        notice(f"the authority keeps the key; read it, once, with: ca-cli fetch {certificate.id} --key")


def _p12_passphrase(p12: Path | None, file: Path | None) -> bytes:
    if p12 is None:
        return b""
    return read_secret(
        "PKCS#12 passphrase", file=file, variable=P12_VARIABLE, option="--p12-passphrase-file", confirm=True
    )


def _pack(signed: Signed, path: Path, passphrase: bytes) -> None:
    if signed.private_key is None:
        raise InputInvalid("there is no key to pack")
    write_pkcs12(
        path, private_key=signed.private_key, chain_pem=signed.certificate.full_chain_pem, passphrase=passphrase
    )
    notice(f"written: {path}")


def _fresh_request_id() -> str:
    return ambient.entropy(16).hex()
