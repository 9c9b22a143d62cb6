"""`ca-cli p12`."""

from pathlib import Path

import click

from cli.errors import OutputExists
from cli.inputs import read_input
from cli.options import ANY_PATH, DIRECTORY, FILE
from cli.output import notice
from cli.packing import write_pkcs12
from cli.passphrases import find_secret, read_secret


@click.command(
    "p12",
    short_help="Pack key and chain into a PKCS#12 file.",
    epilog="""\b
Examples:
  ca-cli p12 ./alice --out alice.p12
  ca-cli p12 --cert chain.pem --key key.pem --out alice.p12 --passphrase-file pass
  curl --cert-type P12 --cert alice.p12 https://localhost:8111/v1/csr-template   (asks for the passphrase)""",
)
@click.argument("directory", type=DIRECTORY, required=False)
@click.option("--cert", type=FILE, help="Certificate chain, leaf first; tls.crt of DIRECTORY otherwise.")
@click.option("--key", type=FILE, help="Private key; tls.key of DIRECTORY otherwise.")
@click.option("--key-passphrase-file", type=ANY_PATH, help="Passphrase of that key; or set CHANCERY_KEY_PASSPHRASE.")
@click.option("--out", type=FILE, required=True, help="The file to write, mode 0600.")
@click.option(
    "--passphrase-file", type=ANY_PATH, help="Passphrase of that file; or set CHANCERY_P12_PASSPHRASE, or answer."
)
@click.option("--name", default="", help="What the entry is called; the subject otherwise.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def command(
    directory: Path | None,
    cert: Path | None,
    key: Path | None,
    key_passphrase_file: Path | None,
    out: Path,
    passphrase_file: Path | None,
    name: str,
    force: bool,
) -> None:
    """Pack a key and its chain into a PKCS#12 file, for browsers, Java and curl."""
    from certs.keys import load_private_key

    if directory is None and (cert is None or key is None):
        raise click.UsageError("name the directory of an identity, or both --cert and --key")
    base = directory or Path()
    if out.exists() and not force:
        raise OutputExists(f"{out} exists", hint="--force replaces it")
    chain = read_input(cert or base / "tls.crt")
    key_passphrase = find_secret("passphrase of the key", file=key_passphrase_file, variable="CHANCERY_KEY_PASSPHRASE")
    private_key = load_private_key(read_input(key or base / "tls.key"), key_passphrase)
    passphrase = read_secret(
        "PKCS#12 passphrase",
        file=passphrase_file,
        variable="CHANCERY_P12_PASSPHRASE",
        option="--passphrase-file",
        confirm=True,
    )
    write_pkcs12(out, private_key=private_key, chain_pem=chain, passphrase=passphrase, name=name)
    notice(f"written: {out}")
