"""Renders as they were last looked at: a change of a template shows, in every scenario, what comes of it."""

import pytest

from scripts.render_examples import GOLDEN, golden, golden_files


@pytest.mark.parametrize(("file", "scenario"), golden_files().items(), ids=lambda path: path.stem)
def test_scenario_is_rendered_to_the_octet(helm, file, scenario):
    assert golden(helm.program.path, scenario) == file.read_text(), "run: make docs, and look at what differs"


def test_nothing_is_kept_of_scenarios_that_are_gone():
    assert set(GOLDEN.iterdir()) == golden_files().keys()


def test_renders_say_nothing_of_the_machine_on_which_they_were_made():
    texts = "".join(file.read_text() for file in golden_files())

    assert str(GOLDEN.parents[2]) not in texts
