"""Every command, by name: where it stands and its one line of help. A test compares the lines with the commands' own."""

from collections.abc import Mapping

from cli.lazy_group import LazyCommand

_AUTHORITY = "Authority"
_BESIDE = "Beside the authority"
_CERTIFICATES = "Certificates"
_FILES = "Files, without a server"
_ADMINISTRATION = "Administration"
_PROGRAM = "This program"


def _entry(module: str, section: str, summary: str) -> LazyCommand:
    return LazyCommand(module=f"cli.commands.{module}", section=section, summary=summary)


COMMANDS: Mapping[str, LazyCommand] = {
    "init": _entry("init", _AUTHORITY, "Make an authority: root, issuing CA, policy, administrator."),
    "serve": _entry("serve", _AUTHORITY, "Run the authority."),
    "backup": _entry("backup", _AUTHORITY, "Back up an authority, or a store, while it is used."),
    "restore": _entry("restore", _AUTHORITY, "Restore an authority, or a store, from a backup."),
    "apiserver": _entry("apiserver", _BESIDE, "Run the storage API server."),
    "controller": _entry("controller", _BESIDE, "Run the controllers of a Kubernetes cluster."),
    "injector": _entry("injector", _BESIDE, "Run the webhook that gives labelled pods an identity."),
    "sign": _entry("sign", _CERTIFICATES, "Make a key and have it certified."),
    "fetch": _entry("fetch", _CERTIFICATES, "Get a certificate that was issued, and its chain."),
    "template": _entry("template", _CERTIFICATES, "Show what you may ask for."),
    "renew": _entry("renew", _CERTIFICATES, "Renew an identity, once or for as long as it runs."),
    "agent": _entry("agent", _CERTIFICATES, "Keep a pod's certificate: get it, renew it, publish its files."),
    "revoke": _entry("revoke", _CERTIFICATES, "Revoke a certificate, for good."),
    "list": _entry("list_", _CERTIFICATES, "List what was issued, or watch it being issued."),
    "trust": _entry("trust", _CERTIFICATES, "Get the roots to trust, and their fingerprints."),
    "inspect": _entry("inspect", _FILES, "Show what a certificate, request or server says."),
    "verify": _entry("verify", _FILES, "Verify a chain at an instant."),
    "needs-renewal": _entry("needs_renewal", _FILES, "Say by exit status whether a certificate is due."),
    "p12": _entry("p12", _FILES, "Pack key and chain into a PKCS#12 file."),
    "token": _entry("token", _ADMINISTRATION, "One-time tokens: create, list, delete."),
    "policy": _entry("policy", _ADMINISTRATION, "Policy: explain a decision, show it, check a file."),
    "passphrase": _entry("passphrase", _ADMINISTRATION, "The passphrase of the CA keys: change it."),
    "rotate": _entry("rotate", _ADMINISTRATION, "Replace the issuing CA or the root, without an outage."),
    "issuer": _entry("issuer", _ADMINISTRATION, "Issuing CAs for some profiles alone: add, remove."),
    "status": _entry("status", _ADMINISTRATION, "Show how the authority stands and what expires next."),
    "audit": _entry("audit", _ADMINISTRATION, "Show who did what."),
    "doctor": _entry("doctor", _ADMINISTRATION, "Find what is wrong, and say what to do."),
    "completion": _entry("completion", _PROGRAM, "Write a completion script for your shell."),
    "version": _entry("version", _PROGRAM, "Show versions."),
}
