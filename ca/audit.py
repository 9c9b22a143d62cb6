"""What is written down about every act: one event for each, in the transaction of the act itself."""

from datetime import datetime
from enum import StrEnum

import orjson

from ca.ambient import epoch_seconds
from ca.calls import Call
from store.records import AuditEvent


class Action(StrEnum):
    AUTHORITY_CREATE = "authority.create"
    AUTHORITY_IMPORT = "authority.import"
    AUTHORITY_CHANGE = "authority.change"
    AUTHORITY_REQUEST = "authority.request"
    CERTIFICATE_ISSUE = "certificate.issue"
    CERTIFICATE_RENEW = "certificate.renew"
    CERTIFICATE_REVOKE = "certificate.revoke"
    KEY_FETCH = "key.fetch"
    TOKEN_CREATE = "token.create"  # noqa: S105 - an action's name
    TOKEN_DELETE = "token.delete"  # noqa: S105 - an action's name
    POD_REGISTER = "pod.register"
    POD_RELEASE = "pod.release"
    REQUEST_DENY = "request.deny"
    POLICY_LOAD = "policy.load"
    PASSPHRASE_CHANGE = "passphrase.change"  # noqa: S105 - an action's name
    BACKUP_CREATE = "backup.create"
    BACKUP_RESTORE = "backup.restore"
    ROTATION_BEGIN = "rotation.begin"
    ROTATION_ADVANCE = "rotation.advance"
    ROTATION_ABORT = "rotation.abort"


def audit_event(action: Action, call: Call, *, at: datetime, subject_id: str = "", **details: object) -> AuditEvent:
    """Describes an act. `details` are JSON values; a key, token or request body is never among them."""
    return AuditEvent(
        sequence=None,
        at=epoch_seconds(at),
        action=action.value,
        actor=call.caller.name,
        subject_id=subject_id,
        request_id=call.id,
        details=orjson.dumps(
            {name: value for name, value in details.items() if value}, option=orjson.OPT_SORT_KEYS
        ).decode(),
        chain_hash=None,
    )
