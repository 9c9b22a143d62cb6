"""What kube-apiserver's own libraries answered to the same writes; upstream/record.py says how that was recorded."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from apiserver.errors import ApiError
from apiserver.fields.apply import apply
from apiserver.fields.managed import record_update
from apiserver.fields.reach import ALL_BUT_STATUS, EVERYTHING, STATUS_ALONE
from apiserver.patches.merge_patch import merge_patch
from apiserver.patches.strategic_merge import strategic_merge
from tests.apiserver.fields.things import API_VERSION, THING, with_entries

RECORDED = json.loads((Path(__file__).parent / "upstream" / "recorded.json").read_text())


def chain():
    """(step, live document) for each write of the chain."""
    steps, live = [], None
    for number, step in enumerate(RECORDED["chain"]):
        live = None if step["fresh"] else live
        steps.append(pytest.param(step, live, id=f"{number}-{step['do']}"))
        if "document" in step["answer"]:
            document = step["answer"]["document"]
            live = {**document, "metadata": {**document["metadata"], "uid": "one"}}
    return steps


def answer(step, live):
    reach = (STATUS_ALONE if step["subresource"] else ALL_BUT_STATUS) if step["has_status"] else EVERYTHING
    named = {
        "live": live,
        "manager": step["manager"],
        "api_version": API_VERSION,
        "subresource": step["subresource"],
        "now": datetime.fromisoformat(step["now"]),
        "reach": reach,
    }
    if step["do"] == "apply":
        return apply(THING, applied=step["document"], force=step["force"], **named)
    return with_entries(step["document"], record_update(THING, new=step["document"], **named))


@pytest.mark.parametrize(("step", "live"), chain())
def test_write_is_answered_as_by_kube_apiserver(step, live):
    expected = step["answer"]

    if "error" in expected:
        with pytest.raises(ApiError) as refusal:
            answer(step, live)
        assert lines(str(refusal.value)) == lines(expected["error"])
    else:
        assert plain(answer(step, live)) == plain(expected["document"])


@pytest.mark.parametrize("case", RECORDED["patches"])
def test_patch_is_applied_as_by_kube_apiserver(case):
    if case["do"] == "merge":
        patched = merge_patch(case["document"], case["patch"])
    else:
        patched = strategic_merge(case["document"], case["patch"], THING)

    assert patched == case["answer"]["document"]


def lines(message):
    """Go's maps have no order, so conflicts are listed in any."""
    return sorted(message.replace("conflicts: ", "conflicts:\n").split("\n"))


def plain(document):
    metadata = {name: value for name, value in document["metadata"].items() if name != "uid" and value is not None}
    return {**document, "metadata": metadata}
