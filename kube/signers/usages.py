"""Key usages as Kubernetes and cert-manager write them (certificates.k8s.io/v1 KeyUsage), against what a profile certifies.

- A certificate has the usages of its profile, all of them and no other; who asks for other ones is told so.
- `key encipherment` may stand in any request, as most tools write it; it is never certified: TLS
  with forward secrecy has no use for it.
"""

from collections.abc import Mapping, Sequence

from kube.documents import JsonValue

_TOLERATED = frozenset({"digital signature", "key encipherment"})
_EXTENDED: Mapping[str, frozenset[str]] = {
    "workload": frozenset({"client auth", "server auth"}),
    "peer": frozenset({"client auth", "server auth"}),
    "server": frozenset({"server auth"}),
    "client": frozenset({"client auth"}),
}


def extended_usages(usages: Sequence[JsonValue]) -> frozenset[str]:
    """What is asked for beside the usages of every profile. Things that are no text are shown as what they are."""
    return frozenset(str(usage)[:50] for usage in usages) - _TOLERATED


def fault_of_usages(usages: Sequence[JsonValue], *, profile: str) -> str:
    """Empty where the profile certifies exactly what is asked for."""
    asked, given = extended_usages(usages), _EXTENDED[profile]
    if beyond := sorted(asked - given):
        return f"the usage {beyond[0]!r} is not certified here; {_offer(given)}"
    if lacking := sorted(given - asked):
        return f"the certificate would have the usage {lacking[0]!r}, which was not asked for; {_offer(given)}"
    return ""


def profile_of_usages(usages: Sequence[JsonValue]) -> str | None:
    """The profile that certifies exactly these; `server` where no extended usage is asked for, None where there is no profile."""
    asked = extended_usages(usages)
    if not asked:
        return "server"
    return next((profile for profile in ("server", "client", "peer") if _EXTENDED[profile] == asked), None)


def _offer(given: frozenset[str]) -> str:
    return f"ask for {' and '.join(sorted(given))}, and digital signature and key encipherment as you like"
