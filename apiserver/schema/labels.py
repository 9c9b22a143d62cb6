"""RFC 1035 labels: what kinds, resources and versions may be called, in the words of k8s.io/apimachinery."""

import re

_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LONGEST = 63


def rfc1035_faults(text: str) -> list[str]:
    """What is wrong with a label, as sentences."""
    faults = []
    if len(text) > _LONGEST:
        faults.append(f"must be no more than {_LONGEST} bytes")
    if not _LABEL.fullmatch(text):
        faults.append(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and "
            f"end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '{_LABEL.pattern}')"
        )
    return faults


def mixed_case_faults(text: str) -> list[str]:
    """As `rfc1035_faults`, of the name of a kind."""
    faults = rfc1035_faults(text.lower())
    return [f"may have mixed case, but should otherwise match: {','.join(faults)}"] if faults else []
