"""The names that somebody asks for on a command line, as text until a command needs them as values."""

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from certs.names import SubjectAlternativeNames, SubjectName

_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedNames:
    """Values as given; `subject` and `alternative_names` raise MalformedName or TooManyNames."""

    common_name: str | None = None
    organizations: tuple[str, ...] = ()
    organizational_units: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    provinces: tuple[str, ...] = ()
    localities: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()

    @classmethod
    def field_names(cls) -> tuple[str, ...]:
        return tuple(field.name for field in dataclasses.fields(cls))

    @property
    def is_empty(self) -> bool:
        return self == RequestedNames()

    @property
    def subject(self) -> "SubjectName":
        from certs.names import SubjectName

        return SubjectName(
            common_name=self.common_name,
            organizations=self.organizations,
            organizational_units=self.organizational_units,
            countries=self.countries,
            provinces=self.provinces,
            localities=self.localities,
        )

    @property
    def alternative_names(self) -> "SubjectAlternativeNames":
        from certs.names import SubjectAlternativeNames

        return SubjectAlternativeNames.parse(dns=self.dns, ips=self.ips, uris=self.uris, emails=self.emails)

    @property
    def usual_profile(self) -> str:
        """The profile that names like these are for, where none was asked for."""
        if any(uri.startswith("spiffe://") for uri in self.uris):
            return "workload"
        return "server" if self.dns or self.ips else "client"

    @property
    def first(self) -> str:
        """What a person would call the certificate: common name, or the first name of any kind; empty for none."""
        names = (self.common_name, *self.dns, *self.ips, *self.uris, *self.emails, *self.organizations)
        return next((name for name in names if name), "")


def directory_name(name: str) -> str:
    """A plain directory name for a certificate called that: no separators, no leading dot, 64 characters at most."""
    text = name.removeprefix("spiffe://").replace("*", "wildcard")
    return _UNFIT.sub("_", text).lstrip("._-")[:64] or "certificate"
