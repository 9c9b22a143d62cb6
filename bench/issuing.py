"""The authority's own path, without edges: steps 2 to 8 of issuance under the default policy, prepared but not recorded."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ca.callers import Caller
from ca.calls import Call
from ca.office import ADMINISTRATORS, open_office
from ca.orders import Order
from ca.policy import Operation
from ca.settings import ServeSettings
from certs.keys import generate_private_key

BATCH = 16


@contextlib.contextmanager
def preparing(requests: Sequence[bytes]) -> Iterator[Callable[[], object]]:
    """A function that prepares `BATCH` certificates for an administrator, as the signing thread does."""
    with tempfile.TemporaryDirectory(prefix="bench-office-") as directory:
        settings = ServeSettings.from_mapping({"data_directory": str(Path(directory) / "ca")})
        with open_office(
            settings, clock=lambda: datetime.now(UTC), entropy=os.urandom, key_factory=generate_private_key
        ) as office:
            caller = Caller.hypothetical(common_name="bench", organizations=(ADMINISTRATORS,))
            orders = [
                Order(
                    call=Call(caller=caller, id="bench"), operation=Operation.ISSUE, profile="server", request=request
                )
                for request in requests[:BATCH]
            ]
            _verify_prepared(office.authority.prepare(orders))
            yield lambda: office.authority.prepare(orders)


def _verify_prepared(outcomes: Sequence[object]) -> None:
    """A refusal would be measured as a very quick certificate."""
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
