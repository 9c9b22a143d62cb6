"""What a renewer tells a person: one line for each thing that happened."""

from agent.renewer import Reloaded, RenewalEvent, Renewed, Scheduled, TrustChanged
from cli import ambient
from cli.output import notice
from cli.text import instant


def report_renewal(event: RenewalEvent) -> None:
    """One line for each thing that happened, on standard error."""
    match event:
        case Scheduled():
            text = f"certificate until {instant(event.not_after)}, renewal from {instant(event.renew_at)}"
        case Renewed():
            text = f"renewed, until {instant(event.not_after)}"
        case Reloaded():
            text = f"told: {event.hook}"
        case TrustChanged():
            text = "other roots are trusted now"
        case _:
            expired = "; WITHOUT A VALID CERTIFICATE MEANWHILE" if event.expired else ""
            text = f"{event.step} failed: {event.error}; again in {event.retry_in.total_seconds():.0f} s{expired}"
    notice(f"{instant(ambient.clock())} {text}")
