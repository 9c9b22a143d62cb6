"""`ca-cli needs-renewal`: statuses as scripts written for step-ca expect them."""

from typing import TYPE_CHECKING

import click

from cli import ambient
from cli.errors import InputMissing
from cli.options import TARGET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

NEEDS_RENEWAL, FINE, MISSING, FAILED = 0, 1, 2, 255
_TIMEOUT = 10.0


class StatusCommand(click.Command):
    """A command whose every failure has one status, also that of its own command line."""

    failure_status = FAILED

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as err:  # noqa: BLE001  whatever went wrong, the caller's script must be able to tell
            from cli.failures import report

            report(err, ctx.find_root().info_name or "ca-cli")
            return FAILED


@click.command(
    "needs-renewal",
    cls=StatusCommand,
    short_help="Say by exit status whether a certificate is due.",
    epilog="""\b
Exit status:
  0    it is due
  1    it is not
  2    there is no such file
  255  it could not be found out

\b
Examples:
  ca-cli needs-renewal web/tls.crt && ca-cli renew --identity web
  ca-cli needs-renewal web --expires-in 8h
  ca-cli needs-renewal localhost:8112 --bundle""",
)
@click.argument("target", type=TARGET)
@click.option(
    "--expires-in",
    default="66%",
    show_default=True,
    metavar="PERCENT|DURATION",
    help="Due when so much of its life has passed (66%), or no more than so much is left (8h).",
)
@click.option("--bundle", is_flag=True, help="Look at every certificate of the chain, not only at the first.")
@click.option("-v", "--verbose", is_flag=True, help="Say it in words too.")
def command(target: str, expires_in: str, bundle: bool, verbose: bool) -> int:
    """Say by exit status whether the certificate of TARGET is due: a file, a directory of an identity, or HOST:PORT."""
    from agent.needs_renewal import Threshold, any_needs_renewal
    from cli.targets import load_chain

    threshold = Threshold.from_text(expires_in)
    try:
        chain = load_chain(target, timeout=_TIMEOUT)
    except InputMissing as err:
        click.echo(f"{err}", err=True)
        return MISSING
    looked_at = chain if bundle else chain[:1]
    due = any_needs_renewal(looked_at, ambient.clock(), threshold)
    if verbose:
        click.echo(f"{'due' if due else 'not due'}: {_describe(looked_at)}")
    return NEEDS_RENEWAL if due else FINE


def _describe(chain: "Sequence[x509.Certificate]") -> str:
    from cli.text import instant, relative

    ends = min(one.not_valid_after_utc for one in chain)
    return f"ends {instant(ends)}, {relative(ends, ambient.clock())}"
