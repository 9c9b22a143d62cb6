"""What can go wrong on the command line itself.

    CliError
    ├── InputMissing         a file, directory or secret that was named or is needed is not there
    │   └── IdentityMissing    SecretMissing
    ├── InputInvalid         it is there, but cannot be used
    ├── OutputExists         writing would destroy what is there
    ├── BulkIncomplete       some of many requests were refused; each has been reported
    └── Unconfirmed          nobody was there to say yes

- The errors of `certs`, `store`, `agent`, `ca` and its client pass through unwrapped.
"""

from typing import ClassVar


class CliError(Exception):
    """The root. `hint` is one line that says what to do next, where the message does not."""

    reason: ClassVar[str] = "CLI_ERROR"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class InputMissing(CliError):
    reason = "INPUT_MISSING"


class IdentityMissing(InputMissing):
    reason = "IDENTITY_MISSING"


class SecretMissing(InputMissing):
    reason = "SECRET_MISSING"


class InputInvalid(CliError):
    reason = "INPUT_INVALID"


class OutputExists(CliError):
    reason = "OUTPUT_EXISTS"


class BulkIncomplete(CliError):
    reason = "BULK_INCOMPLETE"


class Unconfirmed(CliError):
    reason = "UNCONFIRMED"
