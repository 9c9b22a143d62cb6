"""An authority without its edges, over the real SQLite store: a clock that stands still, entropy that is counted."""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from ca.ambient import NO_SECRETS, Secrets
from ca.bootstrap import BroughtHierarchy
from ca.callers import Caller
from ca.calls import Call
from ca.office import ADMINISTRATORS, Office, open_office
from ca.orders import Order
from ca.policy import Operation
from ca.registry import Registry
from ca.settings import ServeSettings
from certs.keys import KeyType, PrivateKey, generate_private_key
from certs.names import SpiffeId, SubjectAlternativeNames, SubjectName
from certs.requests import build_request

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass(slots=True)
class FixedClock:
    """Moves when the test says so."""

    instant: datetime = NOW

    def __call__(self) -> datetime:
        return self.instant

    def advance(self, span: timedelta) -> None:
        self.instant += span


class CountedEntropy:
    """Octets that differ from call to call and are the same in every run."""

    def __init__(self, start: int = 0) -> None:
        self._numbers = count(start)

    def __call__(self, size: int) -> bytes:
        return hashlib.shake_128(next(self._numbers).to_bytes(8)).digest(size)


@dataclass(slots=True, kw_only=True)
class Premises:
    """A data directory, to be opened again and again."""

    directory: Path
    clock: FixedClock = field(default_factory=FixedClock)
    entropy: CountedEntropy = field(default_factory=CountedEntropy)

    @contextlib.contextmanager
    def open(
        self,
        *,
        brought: BroughtHierarchy | None = None,
        secrets: Secrets = NO_SECRETS,
        host_name: str = "",
        **settings: object,
    ) -> Iterator[Office]:
        with open_office(
            ServeSettings.from_mapping({"data_directory": self.directory, **settings}),
            clock=self.clock,
            entropy=self.entropy,
            key_factory=generate_private_key,
            brought=brought,
            secrets=secrets,
            host_name=host_name,
        ) as office:
            yield office


def administrator(common_name: str = "administrator") -> Caller:
    return Caller.hypothetical(common_name=common_name, organizations=(ADMINISTRATORS,))


def workload(name: str = "web") -> Caller:
    return Caller.hypothetical(spiffe_id=SpiffeId.parse(f"spiffe://cluster.local/ns/shop/sa/{name}"))


def call_of(caller: Caller) -> Call:
    return Call(caller=caller, id="test")


def request_for(*dns: str, key: PrivateKey | None = None, common_name: str | None = None, **names: Any) -> bytes:
    """A PKCS#10 request, PEM, with a fresh P-256 key where none is given."""
    return build_request(
        key or generate_private_key(KeyType.EC_P256),
        SubjectName(common_name=common_name),
        SubjectAlternativeNames.parse(dns=dns, **names),
    )


def order_for(*dns: str, caller: Caller | None = None, **fields: Any) -> Order:
    """An administrator's order of a server certificate; keyword arguments replace its fields."""
    decided: dict[str, Any] = {
        "call": call_of(caller or administrator()),
        "operation": Operation.ISSUE,
        "profile": "server",
        "request": fields.get("request") or request_for(*dns),
    }
    return Order(**{**decided, **fields})


def registry_of(office: Office) -> Registry:
    return Registry(
        inventory=office.inventory,
        private_keys=office.private_keys,
        revocations=office.revocations,
        sealing_key=office.sealing_key,
        policy=office.policy,
        clock=office.clock,
    )


def total_of(office: Office) -> int:
    """How many certificates the inventory holds."""
    return office.inventory.counts(now=0).total
