"""Which tests go to one process, and which go first, where several processes run them.

- Those that need a control plane, or what is made once for a module, go to one process: it is made once.
- What takes long goes first, so that at the end no process is waited for. Otherwise their order stays as it was shuffled.
- `--no-loadscope-reorder`, or pytest-xdist counts tests and puts groups with many of them first.
"""

from collections import defaultdict
from collections.abc import Sequence

import pytest

PACKAGES = ("tests/charts/", "tests/docs/", "tests/apiserver/", "tests/kube/")
"""Whose tests have a control plane of their own, or enough to do for one; all others have one together."""

WEIGHTS = {"slow": 100, "kubernetes": 20, "postgresql": 5}
"""By marks. A test without any has 1."""


def distribute(items: list[pytest.Item]) -> None:
    """Groups them, and puts them into order: alike in every process, which has the same ones."""
    groups = defaultdict[str, list[pytest.Item]](list)
    for item in items:
        groups[_group_of(item)].append(item)
    items[:] = [item for group in sorted(groups.values(), key=_weight, reverse=True) for item in group]


def _group_of(item: pytest.Item) -> str:
    """The one that it is marked with, or is now; of what may run anywhere its own name."""
    if (marked := item.get_closest_marker("xdist_group")) is not None:
        return str(marked.args[0])
    if "control_plane" in getattr(item, "fixturenames", ()):
        package = next((each for each in PACKAGES if item.nodeid.startswith(each)), "tests/")
        name = f"control plane of {package}"
    elif _shares_fixtures(item):
        name = item.nodeid.partition("::")[0]
    else:
        return item.nodeid
    item.add_marker(pytest.mark.xdist_group(name))
    return name


def _shares_fixtures(item: pytest.Item) -> bool:
    """With others of its module."""
    known = getattr(item, "_fixtureinfo", None)
    return known is not None and any(found[-1].scope == "module" for found in known.name2fixturedefs.values())


def _weight(group: Sequence[pytest.Item]) -> int:
    return len(group) + sum(WEIGHTS.get(mark.name, 0) for item in group for mark in item.iter_markers())
