"""The commands of `kubectl chancery`, by name. A test compares the lines with the commands' own."""

from collections.abc import Mapping

from cli.lazy_group import LazyCommand

_AUTHORITY = "Authority"
_CERTIFICATES = "Certificates"
_STORAGE = "Storage API"


def _entry(module: str, section: str, summary: str) -> LazyCommand:
    return LazyCommand(module=f"cli.kubectl.commands.{module}", section=section, summary=summary)


COMMANDS: Mapping[str, LazyCommand] = {
    "status": _entry("status", _AUTHORITY, "Show how the authority stands, and its cluster's side."),
    "rotate": _entry("rotate", _AUTHORITY, "Replace the issuing CA or the root, without an outage."),
    "list": _entry("list_", _CERTIFICATES, "List what was issued, or watch it being issued."),
    "inspect": _entry("inspect", _CERTIFICATES, "Show what a certificate that was issued says."),
    "revoke": _entry("revoke", _CERTIFICATES, "Revoke a certificate, for good."),
    "reports": _entry("reports", _STORAGE, "Count policy reports and vulnerability summaries, or watch them."),
}
