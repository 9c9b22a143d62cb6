"""`ca-cli trust`."""

from pathlib import Path

import click

from cli.documents import bundle_document
from cli.endpoint import Endpoint
from cli.options import FILE, connection_options
from cli.output import OutputFormat, notice, output_choice, show_fields
from cli.trusting import fetch_bundle


@click.command(
    "trust",
    short_help="Get the roots to trust, and their fingerprints.",
    epilog="""\b
Examples:
  ca-cli trust
  ca-cli trust --fingerprint-only
  ca-cli trust --fingerprint 5358a996…8452c --server ca.example.com --out ca.pem""",
)
@click.option("--fingerprint", help="SHA-256 of the root to trust; asks https://HTTP-SERVER/roots.pem for it.")
@click.option("--fingerprint-only", is_flag=True, help="Write the fingerprints alone, one to a line.")
@click.option("--out", type=FILE, help="File for the roots, PEM.")
@output_choice("table", "plain", "json", "yaml", "pem", piped="pem")
@connection_options
def command(
    endpoint: Endpoint, fingerprint: str | None, fingerprint_only: bool, out: Path | None, output: OutputFormat
) -> None:
    """Get the roots to trust, and their fingerprints. In a pipe they are written as PEM.

    Nothing is trusted because it answered: a root that is pinned, --ca-cert, or the identity's ca.crt vouches for it.
    """
    from agent.directories import PUBLIC_MODE
    from agent.replacement import replace_file
    from ca.client.pinning import parse_fingerprint

    bundle = fetch_bundle(endpoint, fingerprint=parse_fingerprint(fingerprint) if fingerprint else None)
    if out is not None:
        replace_file(out, bundle.roots_pem, PUBLIC_MODE)
        notice(f"written: {out}")
    if fingerprint_only:
        for one in bundle.sha256_fingerprints:
            click.echo(one)
    elif output is OutputFormat.PEM:
        click.echo(bundle.roots_pem, nl=False) if out is None else None
    else:
        fields = [
            ("trust domain", bundle.trust_domain),
            ("generation", str(bundle.generation)),
            *(("root sha256", one) for one in bundle.sha256_fingerprints),
        ]
        show_fields(fields, bundle_document(bundle), bundle.trust_domain, output)
