"""What a command that runs in a pod sends: frames of `v4.channel.k8s.io`, a channel's number before its octets.

- How it ended is a Status (metav1.Status) in a channel of its own, and the last thing that comes.
- Version 4 is what every API server and kubelet speaks; 5 adds the end of standard input, which nobody needs who sends none.
"""

from dataclasses import dataclass
from enum import IntEnum

from kube.answers import read_document
from kube.documents import JsonObject, objects, text
from kube.errors import ClusterUnreachable, Refused

PROTOCOL = "v4.channel.k8s.io"


class Channel(IntEnum):
    INPUT = 0
    OUTPUT = 1
    ERRORS = 2
    STATUS = 3


@dataclass(frozen=True, slots=True)
class Frame:
    channel: Channel
    octets: bytes

    @classmethod
    def parse(cls, message: bytes) -> "Frame":
        """Raises ClusterUnreachable."""
        try:
            return cls(Channel(message[0]), message[1:])
        except (IndexError, ValueError) as err:
            raise ClusterUnreachable("the cluster sends something else than the output of a command") from err


def exit_status(octets: bytes) -> int:
    """What the command ended with. Raises Refused where it did not run at all, ClusterUnreachable for what is no Status."""
    status = read_document(octets)
    if text(status, "status") == "Success":
        return 0
    if text(status, "reason") == "NonZeroExitCode":
        return _code(status)
    raise Refused(f"the command could not be run: {text(status, 'message')[:1000] or 'nobody says why'}")


def _code(status: JsonObject) -> int:
    for cause in objects(status, "details", "causes"):
        message = text(cause, "message")
        if text(cause, "reason") == "ExitCode" and message.isascii() and message.isdecimal() and len(message) < 4:
            return int(message)
    raise ClusterUnreachable("the cluster does not say how the command ended")
