"""`ca-cli verify`."""

from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import click

from cli import ambient
from cli.endpoint import Endpoint
from cli.errors import InputMissing
from cli.inputs import read_input
from cli.options import FILE, INSTANT, TARGET, connection_options
from cli.output import OutputFormat, output_choice, write_document
from cli.targets import load_chain
from cli.text import instant, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509


@click.command(
    "verify",
    short_help="Verify a chain at an instant.",
    epilog="""\b
Examples:
  ca-cli verify web/tls.crt --purpose server --host web.example.com
  ca-cli verify web/tls.crt --roots other-ca.pem --at 2027-01-01T00:00:00Z
  ca-cli verify localhost:8112
  ca-cli verify web/tls.crt --crl shard.crl""",
)
@click.argument("target", type=TARGET)
@click.option("--roots", type=FILE, help="Roots to trust, PEM; --ca-cert or the identity's ca.crt otherwise.")
@click.option("--chain", type=FILE, help="Intermediate certificates beside those that TARGET brings.")
@click.option("--at", type=INSTANT, help="The instant that counts; now otherwise.")
@click.option("--purpose", type=click.Choice(["server", "client"]), help="What the certificate must be good for.")
@click.option("--host", metavar="NAME", help="DNS name, address, URI or email address that it must be for.")
@click.option("--crl", "crls", type=FILE, multiple=True, help="CRL of the issuer, PEM or DER; may be given again.")
@output_choice("table", "plain", "json", "yaml")
@connection_options
def command(
    endpoint: Endpoint,
    target: str,
    roots: Path | None,
    chain: Path | None,
    at: datetime | None,
    purpose: str | None,
    host: str | None,
    crls: tuple[Path, ...],
    output: OutputFormat,
) -> None:
    """Verify the chain of TARGET: a file, leaf first, a directory of an identity, HOST:PORT, or - for standard input.

    Status 1, and one line that says why, where it does not hold.
    """
    from certs.chains import verify_chain
    from certs.pem import load_certificates

    moment = at or ambient.clock()
    leaf, *brought = load_chain(target, timeout=endpoint.seconds)
    more = load_certificates(read_input(chain)) if chain else ()
    path = verify_chain(
        leaf,
        (*brought, *more),
        load_certificates(_roots(endpoint, roots)),
        at=moment,
        usage=cast("Literal['server', 'client'] | None", purpose),
        name=host,
    )
    _verify_against_crls(path, crls, moment)
    _show(path, moment, output)


def _roots(endpoint: Endpoint, roots: Path | None) -> bytes:
    file = roots or endpoint.ca_cert or endpoint.identity_directory / "ca.crt"
    if not file.exists():
        raise InputMissing(f"{file} does not exist", hint="name a file of trusted roots with --roots")
    return read_input(file)


def _verify_against_crls(path: "Sequence[x509.Certificate]", crls: "Sequence[Path]", at: datetime) -> None:
    """Each CRL must be of an issuer of the path, and list nothing of it."""
    from certs.crl import verify_crl, verify_not_revoked
    from certs.errors import CertsError

    for file in crls:
        data = read_input(file)
        failure: CertsError | None = None
        for certificate, issuer in pairwise(path):
            try:
                crl = verify_crl(data, issuer, at=at)
            except CertsError as err:
                failure = failure or err
            else:
                verify_not_revoked(certificate, crl)
                break
        else:
            raise failure or InputMissing(f"{file} is of no issuer of this chain")


def _show(path: "Sequence[x509.Certificate]", at: datetime, output: OutputFormat) -> None:
    subjects = [one.subject.rfc4514_string() or _first_name(one) for one in path]
    ends = min(one.not_valid_after_utc for one in path)
    if output in {OutputFormat.JSON, OutputFormat.YAML}:
        write_document({"verified": True, "at": instant(at), "path": list(subjects), "until": instant(ends)}, output)
        return
    click.echo(f"{click.style('verified', fg='green', bold=True)} at {instant(at)}, holds until {instant(ends)}")
    for depth, subject in enumerate(subjects):
        click.echo(f"{'  ' * (depth + 1)}{printable(subject)}")


def _first_name(certificate: "x509.Certificate") -> str:
    from certs.holders import alternative_names

    return next((value for _, value in alternative_names(certificate).all_names()), "(no name)")
