"""An authority of the test's own, which looks after its rotations when the test has it look."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ca.office import Office
from tests.ca.offices import Premises


@pytest.fixture
def premises(tmp_path: Path) -> Premises:
    return Premises(directory=tmp_path / "ca")


@pytest.fixture
def office(premises: Premises) -> Iterator[Office]:
    with premises.open() as office:
        office.rotations.look()
        yield office
