"""What comes out of a pod, octet by octet: taken for what the protocol says, or refused."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.errors import ClusterUnreachable, KubeError, Refused
from kube.exec_channels import Channel, Frame, exit_status


def ended(**fields: object) -> bytes:
    return json.dumps({"kind": "Status", "apiVersion": "v1", **fields}).encode()


def failed(*causes: dict[str, str]) -> bytes:
    return ended(status="Failure", reason="NonZeroExitCode", details={"causes": list(causes)})


def test_first_octet_is_the_channel() -> None:
    assert Frame.parse(b"\x01abc") == Frame(Channel.OUTPUT, b"abc")
    assert Frame.parse(b"\x02") == Frame(Channel.ERRORS, b"")


@pytest.mark.parametrize("message", [b"", b"\x05x", b"\xff"])
def test_what_is_no_frame_is_refused(message: bytes) -> None:
    with pytest.raises(ClusterUnreachable, match="something else"):
        Frame.parse(message)


def test_exit_status_is_that_of_the_command() -> None:
    assert exit_status(ended(status="Success")) == 0
    assert exit_status(failed({"reason": "ExitCode", "message": "3"})) == 3
    assert exit_status(failed({"reason": "Other", "message": "9"}, {"reason": "ExitCode", "message": "130"})) == 130


def test_command_that_did_not_run_is_no_exit_status() -> None:
    with pytest.raises(Refused, match="could not be run: no such program"):
        exit_status(ended(status="Failure", reason="InternalError", message="no such program"))


@pytest.mark.parametrize("code", ["", "-1", "x", "9999", "٣", "0x3"])
def test_exit_code_that_is_none_is_refused(code: str) -> None:
    with pytest.raises(ClusterUnreachable, match="does not say how"):
        exit_status(failed({"reason": "ExitCode", "message": code}))


@given(
    st.one_of(
        st.binary(), st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda x: json.dumps(x).encode())
    )
)
def test_nothing_but_an_error_of_ours_comes_of_any_status(octets: bytes) -> None:
    with contextlib.suppress(KubeError):
        assert exit_status(octets) == 0
