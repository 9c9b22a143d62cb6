"""Options that several commands share, and the types that their values have.

- An option shared by several commands has one variable, `CHANCERY_` and its name; one of a single command has
  `CHANCERY_`, the command's and its own name: `CHANCERY_SIGN_PROFILE`.
- No option takes a secret: secrets come from a file, a variable or a question.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
from click.shell_completion import CompletionItem

from certs.errors import MalformedInput
from certs.lifetimes import parse_lifetime
from cli.endpoint import Endpoint
from cli.local_administrator import LocalAdministrator
from cli.names import RequestedNames

ResultT = TypeVar("ResultT")
ParametersT = ParamSpec("ParametersT")
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FILE = click.Path(path_type=Path, dir_okay=False)
DIRECTORY = click.Path(path_type=Path, file_okay=False)
ANY_PATH = click.Path(path_type=Path)


class DurationType(click.ParamType[timedelta]):
    """`90s`, `15m`, `24h`, `90d`, `1h30m`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            return parse_lifetime(str(value))
        except MalformedInput as err:
            self.fail(str(err), param, ctx)


class InstantType(click.ParamType[datetime]):
    """RFC 3339; UTC where no offset is given."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            parsed = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not an instant; write it like 2026-01-31T12:00:00Z", param, ctx)
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


class TargetType(click.ParamType[str]):
    """What `cli.targets` reads. A shell completes files; ids and addresses it cannot know."""

    name = "target"

    def shell_complete(
        self, _context: click.Context, _parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


DURATION = DurationType()
INSTANT = InstantType()
TARGET = TargetType()


def offer_profiles(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """For a shell that completes: the profiles that can be asked for."""
    from certs.profiles import LEAF_PROFILES

    return [name for name in LEAF_PROFILES if name.startswith(incomplete)]


def key_types() -> list[str]:
    """Every key type, the default first."""
    from certs.keys import KeyType

    return [one.value for one in KeyType]


def key_type_option(meaning: str) -> Decorator:
    from certs.keys import KeyType

    def parse(_context: click.Context, _parameter: click.Parameter, value: str) -> KeyType:
        return KeyType(value)

    return click.option(
        "--key-type",
        type=click.Choice(key_types()),
        default=KeyType.EC_P256.value,
        show_default=True,
        callback=parse,
        help=meaning,
    )


_CONNECTION_OPTIONS = (
    click.option(
        "--server",
        envvar="CHANCERY_SERVER",
        metavar="HOST:PORT",
        help="The authority's gRPC port; localhost and 8112, or $CHANCERY_GRPC_PORT, by default.",
    ),
    click.option(
        "--enrollment-server",
        envvar="CHANCERY_ENROLLMENT_SERVER",
        metavar="HOST:PORT",
        help="Its port for those without a certificate; --server's host and 8113 by default.",
    ),
    click.option(
        "--http-server",
        envvar="CHANCERY_HTTP_SERVER",
        metavar="HOST:PORT",
        help="Its HTTP port; --server's host and 8111 by default.",
    ),
    click.option(
        "--identity",
        type=DIRECTORY,
        envvar="CHANCERY_IDENTITY",
        help="Directory of tls.crt, tls.key and ca.crt; $CHANCERY_HOME/identity by default.",
    ),
    click.option(
        "--client-cert", type=FILE, envvar="CHANCERY_CLIENT_CERT", help="Certificate chain instead of tls.crt."
    ),
    click.option("--client-key", type=FILE, envvar="CHANCERY_CLIENT_KEY", help="Private key instead of tls.key."),
    click.option("--ca-cert", type=FILE, envvar="CHANCERY_CA_CERT", help="Trusted roots instead of ca.crt."),
    click.option(
        "--timeout",
        type=DURATION,
        default="30s",
        show_default=True,
        envvar="CHANCERY_TIMEOUT",
        help="How long one call may take.",
    ),
    click.option(
        "--plaintext", is_flag=True, envvar="CHANCERY_PLAINTEXT", help="No TLS: the server was started with --no-mtls."
    ),
    click.option(
        "--local-administrator",
        envvar="CHANCERY_LOCAL_ADMINISTRATOR",
        metavar="NAME",
        help="Instead of an identity: be NAME, an administrator for this command alone, where the server runs.",
    ),
)

CONNECTION_OPTION_NAMES = (
    "server",
    "enrollment_server",
    "http_server",
    "identity",
    "client_cert",
    "client_key",
    "ca_cert",
    "timeout",
    "plaintext",
    "local_administrator",
)


def connection_options(
    command: Callable[Concatenate[Endpoint, ParametersT], ResultT],
) -> Callable[..., ResultT]:
    """Adds the options that say which authority to talk to and as whom; the command gets an `Endpoint` first."""

    @wraps(command)
    def with_endpoint(*arguments: Any, **parameters: Any) -> ResultT:
        administrator = parameters.pop("local_administrator")
        endpoint = Endpoint(
            server=parameters.pop("server"),
            enrollment_server=parameters.pop("enrollment_server"),
            http_server=parameters.pop("http_server"),
            identity=parameters.pop("identity"),
            client_cert=parameters.pop("client_cert"),
            client_key=parameters.pop("client_key"),
            ca_cert=parameters.pop("ca_cert"),
            timeout=parameters.pop("timeout"),
            plaintext=parameters.pop("plaintext"),
            local=LocalAdministrator(name=administrator) if administrator else None,
        )
        return command(endpoint, *arguments, **parameters)

    return _decorated(with_endpoint, _CONNECTION_OPTIONS)


_NAME_OPTIONS = (
    click.option("--cn", "common_name", metavar="NAME", help="Common name of the subject."),
    click.option("--org", "organizations", multiple=True, metavar="NAME", help="Organization; may be given again."),
    click.option("--ou", "organizational_units", multiple=True, metavar="NAME", help="Organizational unit."),
    click.option("--country", "countries", multiple=True, metavar="CC", help="Country, two capital letters."),
    click.option("--province", "provinces", multiple=True, metavar="NAME", help="State or province."),
    click.option("--locality", "localities", multiple=True, metavar="NAME", help="Locality."),
    click.option("--dns", multiple=True, metavar="NAME", help="DNS name; may be given again, as may the next three."),
    click.option("--ip", "ips", multiple=True, metavar="ADDRESS", help="IPv4 or IPv6 address."),
    click.option("--uri", "uris", multiple=True, metavar="URI", help="URI, such as a SPIFFE ID."),
    click.option("--email", "emails", multiple=True, metavar="ADDRESS", help="Email address."),
)


def name_options(command: Callable[..., ResultT]) -> Callable[..., ResultT]:
    """Adds the options for subject and alternative names; the command gets them as `requested: RequestedNames`."""

    @wraps(command)
    def with_names(*arguments: Any, **parameters: Any) -> ResultT:
        requested = RequestedNames(**{name: parameters.pop(name) for name in RequestedNames.field_names()})
        return command(*arguments, requested=requested, **parameters)

    return _decorated(with_names, _NAME_OPTIONS)


def _decorated(command: Callable[..., ResultT], options: tuple[Decorator, ...]) -> Callable[..., ResultT]:
    for option in reversed(options):
        command = option(command)
    return command
