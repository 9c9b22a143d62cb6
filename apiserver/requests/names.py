"""Names: what an object, a namespace, a label or an annotation may be called.

- The texts are those of k8s.io/apimachinery/pkg/util/validation, which clients show to people.
- Each function returns what is wrong, as sentences; nothing where all is well.
"""

import re

from apiserver.ambient import Entropy

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"

_LONGEST_LABEL, _LONGEST_SUBDOMAIN, _LONGEST_NAME_PART = 63, 253, 63

_RANDOM_CHARACTERS = "bcdfghjklmnpqrstvwxz2456789"  # no vowels and no look-alikes: no words by accident
_RANDOM_LENGTH = 5
_LONGEST_BASE = 63 - _RANDOM_LENGTH


def subdomain_faults(name: str, *, unit: str = "bytes") -> list[str]:
    """RFC 1123 subdomain."""
    faults = []
    if len(name) > _LONGEST_SUBDOMAIN:
        faults.append(f"must be no more than {_LONGEST_SUBDOMAIN} {unit}")
    if not re.fullmatch(_SUBDOMAIN, name):
        faults.append(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end "
            f"with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
        )
    return faults


def object_name_faults(name: str, *, is_prefix: bool = False) -> list[str]:
    """The name of an object, or what one begins with: the last dash of that is not its end."""
    masked = f"{name[:-1]}a" if is_prefix and len(name) > 1 and name.endswith("-") else name
    return subdomain_faults(masked, unit="characters")


def label_faults(name: str) -> list[str]:
    """RFC 1123 label: the name of a namespace."""
    faults = []
    if len(name) > _LONGEST_LABEL:
        faults.append(f"must be no more than {_LONGEST_LABEL} bytes")
    if not re.fullmatch(_LABEL, name):
        faults.append(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
            f"alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
        )
    return faults


def label_key_faults(key: str) -> list[str]:
    """The key of a label."""
    return qualified_name_faults(key, what="a valid label key")


def qualified_name_faults(name: str, *, what: str = "a qualified name") -> list[str]:
    """The key of an annotation, or a finalizer: `[prefix/]name`."""
    *prefix, part = name.split("/")
    if len(prefix) > 1:
        return [f"{what} {_QUALIFIED_WORDS} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    faults = []
    if prefix:
        if not prefix[0]:
            faults.append("prefix part must be non-empty")
        else:
            faults += [f"prefix part {fault}" for fault in subdomain_faults(prefix[0])]
    if not part:
        faults.append("name part must be non-empty")
    elif len(part) > _LONGEST_NAME_PART:
        faults.append(f"name part must be no more than {_LONGEST_NAME_PART} bytes")
    if not re.fullmatch(_QUALIFIED, part):
        faults.append(f"name part {_QUALIFIED_WORDS}")
    return faults


def label_value_faults(value: str) -> list[str]:
    faults = []
    if len(value) > _LONGEST_LABEL:
        faults.append(f"must be no more than {_LONGEST_LABEL} bytes")
    if not re.fullmatch(_LABEL_VALUE, value):
        faults.append(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end "
            "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
            f"'{_LABEL_VALUE}')"
        )
    return faults


def generated_name(base: str, entropy: Entropy) -> str:
    """`base`, cut to leave room, and five random characters (metadata.generateName)."""
    drawn = "".join(_draw(entropy) for _ in range(_RANDOM_LENGTH))
    return base[:_LONGEST_BASE] + drawn


def _draw(entropy: Entropy) -> str:
    """One character, each as likely as any other."""
    fair = 256 - 256 % len(_RANDOM_CHARACTERS)
    while (octet := entropy(1)[0]) >= fair:
        pass
    return _RANDOM_CHARACTERS[octet % len(_RANDOM_CHARACTERS)]


_QUALIFIED_WORDS = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
)
