"""What is asked of policy.

- What a request leaves unstated is never read in the caller's favour.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from ca.callers import Caller
from certs.keys import KeyType
from certs.names import SubjectAlternativeNames, SubjectName

_NAMES_SHOWN = 3
_NAME_KINDS = {"dns": "dns name", "ip": "ip address", "uri": "uri", "email": "email address"}


class Operation(StrEnum):
    ISSUE = "issue"
    RENEW = "renew"
    REVOKE = "revoke"
    READ = "read"
    FETCH_KEY = "fetch_key"
    REGISTER = "register"
    """As a cluster's registrar: have requests signed for names that it gives, and say what pods may have."""
    ADMINISTER = "administer"

    @property
    def makes_a_certificate(self) -> bool:
        return self is Operation.ISSUE or self is Operation.RENEW

    @property
    def confers_identity(self) -> bool:
        """Whether whoever succeeds can act under the names concerned: reserved names and wildcards are guarded then."""
        return self.makes_a_certificate or self in {Operation.FETCH_KEY, Operation.REGISTER}

    @property
    def is_for_few(self) -> bool:
        """Whether `"*"` grants it to nobody, so that a rule has to write it out."""
        return self in {Operation.REGISTER, Operation.ADMINISTER}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRequest:
    """One question. For ISSUE, profile, subject and names are those asked for; else those of the certificate concerned.

    `profile` and `key_type` may be None where the operation concerns no single certificate; `lifetime` is None where
    the profile's default is meant.
    """

    caller: Caller
    operation: Operation
    profile: str | None = None
    subject: SubjectName = field(default_factory=SubjectName)
    names: SubjectAlternativeNames = field(default_factory=SubjectAlternativeNames)
    key_type: KeyType | None = None
    lifetime: timedelta | None = None


def describe_name(kind: str, text: str) -> str:
    """`dns name 'web.example'`: `kind` is one of `all_names`, or what it is called already."""
    return f"{_NAME_KINDS.get(kind, kind)} '{text}'"


def describe_request(request: PolicyRequest) -> str:
    """`CN=web to issue profile server for dns name 'web.example'`; long lists of names are cut short."""
    words = f"{request.caller.name} to {request.operation.value.replace('_', ' ')}"
    if request.profile is not None:
        words += f" profile {request.profile}"
    shown = _describe_names(request)
    return f"{words} for {shown}" if shown else words


def _describe_names(request: PolicyRequest) -> str:
    everything = [("common name", request.subject.common_name)] if request.subject.common_name is not None else []
    everything += [("organization", name) for name in request.subject.organizations]
    everything += request.names.all_names()
    shown = ", ".join(describe_name(kind, text) for kind, text in everything[:_NAMES_SHOWN])
    hidden = len(everything) - _NAMES_SHOWN
    return f"{shown} and {hidden} more" if hidden > 0 else shown
