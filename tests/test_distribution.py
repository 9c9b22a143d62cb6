"""How tests are given to processes: what is made once is made in one of them, and what takes long begins first."""

from types import SimpleNamespace

import pytest

from tests.distribution import distribute


class Item:
    """As much of a test as is looked at."""

    def __init__(self, nodeid, *marks, fixtures=()):
        self.nodeid, self.marks, self.fixturenames = nodeid, [mark.mark for mark in marks], list(fixtures)
        scopes = {name: [SimpleNamespace(scope=scope)] for name, scope in dict(fixtures).items()}
        self._fixtureinfo = SimpleNamespace(name2fixturedefs=scopes)

    def iter_markers(self):
        return iter(self.marks)

    def get_closest_marker(self, name):
        return next((mark for mark in self.marks if mark.name == name), None)

    def add_marker(self, mark):
        self.marks.append(mark.mark)

    @property
    def group(self):
        mark = self.get_closest_marker("xdist_group")
        return mark and mark.args[0]


def test_tests_that_need_the_same_control_plane_are_one_group():
    fixtures = {"control_plane": "session"}
    charts = [Item(f"tests/charts/test_{name}.py::test", fixtures=fixtures) for name in "ab"]
    others = [Item(f"tests/{name}/test_a.py::test", fixtures=fixtures) for name in ("cli", "servers")]

    distribute([*charts, *others])

    assert {each.group for each in charts} == {"control plane of tests/charts/"}
    assert {each.group for each in others} == {"control plane of tests/"}


def test_tests_that_share_fixtures_of_their_module_are_one_group():
    server = {"server": "module", "tmp_path": "function"}
    sharing = [Item(f"tests/ca/test_a.py::test_{name}", fixtures=server) for name in "ab"]
    alone = Item("tests/ca/test_a.py::test_c", fixtures={"tmp_path": "function", "postgresql": "session"})

    distribute([*sharing, alone])

    assert {each.group for each in sharing} == {"tests/ca/test_a.py"}
    assert alone.group is None


def test_group_that_is_said_stays():
    told = Item("tests/a.py::test", pytest.mark.xdist_group("told"), fixtures={"control_plane": "session"})

    distribute([told])

    assert told.group == "told"


def test_what_takes_long_begins_first_and_the_rest_stays_as_it_was():
    server = {"server": "module"}
    items = [
        Item("tests/a.py::test_2"),
        Item("tests/a.py::test_1"),
        Item("tests/b.py::test_1", fixtures=server),
        Item("tests/c.py::test", pytest.mark.slow),
        Item("tests/b.py::test_2", pytest.mark.slow, fixtures=server),
        Item("tests/d.py::test", pytest.mark.kubernetes),
    ]

    distribute(items)

    names = [item.nodeid.removeprefix("tests/").replace(".py::test", "") for item in items]
    assert names == ["b_1", "b_2", "c", "d", "a_2", "a_1"]
