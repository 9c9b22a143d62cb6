"""The conflict that an apply without force ends in, word for word (k8s.io/apimachinery, managedfields NewConflictError)."""

from collections.abc import Mapping

from apiserver.errors import ApplyConflict
from apiserver.field_errors import Cause
from apiserver.fields.entries import UPDATE, Identity, identity_text
from apiserver.fields.sets import FieldSet, show_path
from apiserver.fields.values import quoted


def apply_conflict(conflicts: Mapping[Identity, FieldSet]) -> ApplyConflict:
    """`conflicts` are the fields that others manage, by manager; there is one at least."""
    found = [
        (identity, [show_path(path) for path in conflicts[identity].paths()])
        for identity in sorted(conflicts, key=identity_text)
    ]
    causes = [
        Cause(reason="FieldManagerConflict", message=f"conflict with {_shown(identity)}", field=path)
        for identity, paths in found
        for path in paths
    ]
    if len(causes) == 1:
        message = f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}"
    else:
        lines = [
            line
            for identity, paths in found
            for line in (f"conflicts with {_shown(identity)}:", *(f"- {path}" for path in paths))
        ]
        message = f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines)
    return ApplyConflict(message, causes=causes)


def _shown(identity: Identity) -> str:
    manager, operation, api_version, subresource = identity
    text = quoted(manager)
    if subresource:
        text += f" with subresource {quoted(subresource)}"
    return f"{text} using {api_version}" if operation == UPDATE else text
