"""Requests as the auditor is told of them."""

from datetime import UTC, datetime, timedelta

import orjson

from apiserver.audit.auditor import Auditor, Origin
from apiserver.identity.user import Attributes, User

ANN = User(name="ann", uid="u1", groups=("dev", "system:authenticated"), extra={"scopes": ("a", "b")})
ORIGIN = Origin(
    audit_id="a-1",
    uri="/apis/example.com/v1/namespaces/gold/gadgets/a?dryRun=All",
    addresses=("10.0.0.1", "127.0.0.1"),
    user_agent="kubectl/v1.33",
)


def resource(verb="update", **others):
    return Attributes(
        **{
            "verb": verb,
            "path": "/apis/example.com/v1/namespaces/gold/gadgets/a",
            "group": "example.com",
            "version": "v1",
            "resource": "gadgets",
            "namespace": "gold",
            "name": "a",
            **others,
        }
    )


def path(path, verb="get"):
    return Attributes(verb=verb, path=path)


class Seconds:
    """A clock that goes on by a second each time it is read."""

    def __init__(self):
        self.now = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)

    def __call__(self):
        self.now += timedelta(seconds=1)
        return self.now


class Lines:
    """An audit log in memory."""

    def __init__(self):
        self.lines = []

    def offer(self, line):
        self.lines.append(line)
        return True

    @property
    def events(self):
        return [orjson.loads(line) for line in self.lines]


def auditor(policy, log=None, **others):
    log = Lines() if log is None else log
    options = {"blocking": False, "clock": Seconds(), "on_event": lambda: None, **others}
    return Auditor(policy, log, **options), log
