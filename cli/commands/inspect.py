"""`ca-cli inspect`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.descriptions import Described, describe_chain, describe_content
from cli.endpoint import Endpoint
from cli.options import ANY_PATH, TARGET, connection_options
from cli.output import OutputFormat, output_choice, write_document
from cli.passphrases import read_secret
from cli.targets import is_certificate_id, load_chain, read_target, server_address

if TYPE_CHECKING:
    from ca.client.values import IssuedCertificate


@click.command(
    "inspect",
    short_help="Show what a certificate, request or server says.",
    epilog="""\b
Examples:
  ca-cli inspect web/tls.crt
  ca-cli inspect request.csr
  ca-cli inspect alice.p12 --passphrase-file pass
  ca-cli inspect 13c7c1c83c5d9599db82a9a7a744a4c0
  ca-cli inspect localhost:8112
  openssl s_client -connect example.com:443 </dev/null | ca-cli inspect -""",
)
@click.argument("target", type=TARGET)
@click.option(
    "--passphrase-file", type=ANY_PATH, help="Passphrase of a PKCS#12 file; or set CHANCERY_P12_PASSPHRASE, or answer."
)
@output_choice("table", "plain", "json", "yaml", "pem")
@connection_options
def command(endpoint: Endpoint, target: str, passphrase_file: Path | None, output: OutputFormat) -> None:
    """Show what TARGET says: a file, a directory of an identity, an ID, HOST:PORT, or - for standard input.

    Reads certificates and chains (PEM or DER), requests, and PKCS#12 files. Nothing is verified; `verify` does that.
    """
    if is_certificate_id(target) or server_address(target) is not None:
        fetch = _fetcher(endpoint)
        described = describe_chain(load_chain(target, timeout=endpoint.seconds, fetch=fetch))
    else:
        described = describe_content(read_target(target), passphrase=_passphrase(passphrase_file))
    _show(described, output)


def _fetcher(endpoint: Endpoint) -> Callable[[str], bytes]:
    def fetch(certificate_id: str) -> bytes:
        with endpoint.client() as client:
            found: IssuedCertificate = client.certificates.get_certificate(certificate_id)
        return found.full_chain_pem

    return fetch


def _passphrase(file: Path | None) -> Callable[[], bytes]:
    return lambda: read_secret(
        "PKCS#12 passphrase", file=file, variable="CHANCERY_P12_PASSPHRASE", option="--passphrase-file"
    )


def _show(described: Sequence[Described], output: OutputFormat) -> None:
    match output:
        case OutputFormat.JSON | OutputFormat.YAML:
            write_document([one.document for one in described], output)
        case OutputFormat.PEM:
            for one in described:
                click.echo(one.pem, nl=False)
        case _:
            click.echo("\n\n".join(one.text for one in described))
