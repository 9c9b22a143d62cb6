"""`ca-cli policy`."""

from datetime import timedelta
from pathlib import Path

import click

from cli.documents import explanation_document
from cli.endpoint import Endpoint
from cli.inputs import read_input
from cli.names import RequestedNames
from cli.options import ANY_PATH, DURATION, connection_options, name_options, offer_profiles
from cli.output import OutputFormat, output_choice, write_document
from cli.text import printable

_LARGEST_POLICY = 1 << 20


@click.group(
    "policy",
    short_help="Policy: explain a decision, show it, check a file.",
    epilog="""\b
Examples:
  ca-cli policy explain --profile server --dns web.example.com
  ca-cli policy show
  ca-cli policy lint policy.yaml""",
)
def command() -> None:
    """Who may have what."""


@command.command(
    "explain",
    epilog="""\b
Examples:
  ca-cli policy explain --profile server --dns web.example.com
  ca-cli policy explain --as-cn alice --as-org developers --profile client --cn bob
  ca-cli policy explain --as-spiffe spiffe://cluster.local/ns/a/sa/b --operation revoke""",
)
@name_options
@click.option(
    "--as-cn", "caller_common_name", default="", help="Common name of the caller; you, where none of three is given."
)
@click.option("--as-org", "caller_organizations", multiple=True, help="Organization of the caller.")
@click.option("--as-spiffe", "caller_spiffe_id", default="", help="SPIFFE ID of the caller.")
@click.option("--as-pod", is_flag=True, help="The caller of --as-spiffe shows a service-account token, no certificate.")
@click.option(
    "--operation",
    type=click.Choice(["issue", "renew", "revoke", "read", "fetch-key", "register", "administer"]),
    default="issue",
    show_default=True,
    help="What the caller would do.",
)
@click.option(
    "--profile",
    default="",
    shell_complete=offer_profiles,
    help="Profile that would be asked for; server where it is about issuing.",
)
@click.option("--key-type", default="", help="Key type that would be asked for.")
@click.option("--ttl", type=DURATION, help="Lifetime that would be asked for.")
@output_choice("table", "plain", "json", "yaml")
@connection_options
def explain(
    endpoint: Endpoint,
    requested: RequestedNames,
    caller_common_name: str,
    caller_organizations: tuple[str, ...],
    caller_spiffe_id: str,
    as_pod: bool,
    operation: str,
    profile: str,
    key_type: str,
    ttl: timedelta | None,
    output: OutputFormat,
) -> int:
    """Say how policy would decide, and rule by rule why. Issues nothing; status 1 where the answer is no."""
    from ca.client.values import PolicyQuestion

    question = PolicyQuestion(
        caller_common_name=caller_common_name,
        caller_organizations=caller_organizations,
        caller_spiffe_id=caller_spiffe_id,
        caller_is_pod=as_pod,
        operation=operation.replace("-", "_"),
        profile=profile or ("server" if operation == "issue" else ""),
        key_type=key_type,
        lifetime=ttl,
    )
    with endpoint.client() as client:
        answer = client.administration.explain_policy(
            question, subject=requested.subject, names=requested.alternative_names
        )
    if output in {OutputFormat.JSON, OutputFormat.YAML}:
        write_document(explanation_document(answer), output)
    else:
        word, colour = ("allowed", "green") if answer.allowed else ("denied", "red")
        click.echo(f"{click.style(word, fg=colour, bold=True)}: {printable(answer.explanation)}")
        for one in answer.evaluations:
            why = "; ".join(one.mismatches) or "matches"
            click.echo(f"  {'*' if one.matched else '-'} {printable(one.rule)}: {printable(why)}")
    return 0 if answer.allowed else 1


@command.command("show", epilog="\b\nExamples:\n  ca-cli policy show > policy.yaml")
@connection_options
def show(endpoint: Endpoint) -> None:
    """Write the document in force, as the server read it."""
    with endpoint.client() as client:
        click.echo(client.administration.get_policy(), nl=False)


@command.command(
    "lint", epilog="\b\nExamples:\n  ca-cli policy lint policy.yaml\n  ca-cli policy show | ca-cli policy lint -"
)
@click.argument("file", type=ANY_PATH)
def lint(file: Path) -> None:
    """Check a policy document and say everything that is wrong with it. Needs no server."""
    from ca.errors import PolicyInvalid
    from ca.policy import Policy

    try:
        document = read_input(file, limit=_LARGEST_POLICY).decode()
    except UnicodeDecodeError as err:
        raise PolicyInvalid([f"{file} is not UTF-8 text"]) from err
    Policy.parse(document)
    click.echo(f"{file}: no faults found")
