"""An errand to the authority: a command line of `ca-cli` that runs in its pod, and what comes of it.

- In the pod it is an administrator for that command alone, under the name by which the API server knows who asks. The name is
  the asker's own word there: who may `exec` into the pod can say any.
- On a terminal no control character of the pod's output counts.
"""

import codecs
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

from cli.kubectl.authority import SELECTOR, find_authority, ready_container
from cli.kubectl.workstation import Reach, Workstation
from cli.output import Document
from cli.text import printable

if TYPE_CHECKING:
    from kube.documents import JsonObject

_PROGRAM = "ca-cli"
_PREFIX = "kubectl:"
_LONGEST_NAME = 64
"""RFC 5280 appendix A.1: ub-common-name."""
_DIGEST = 8
_REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_LARGEST_DOCUMENT = 16 << 20

Sink = Callable[[bytes], None]


class Errand:
    """Finds the cluster, the pod, and who asks, when it is first needed."""

    def __init__(self, workstation: Workstation, selector: str = SELECTOR) -> None:
        self._workstation = workstation
        self._selector = selector
        self._reach: Reach | None = None
        self._pods: Sequence[JsonObject] = ()
        self._administrator = ""

    @property
    def reach(self) -> Reach:
        """Raises as `Workstation.open`."""
        if self._reach is None:
            self._reach = self._workstation.open()
        return self._reach

    @property
    def pods(self) -> "Sequence[JsonObject]":
        """Raises as `find_authority`."""
        if not self._pods:
            self._pods = find_authority(self.reach, self._selector)
        return self._pods

    @property
    def namespace(self) -> str:
        """Where the authority is. Raises as `find_authority`."""
        from kube.documents import namespace_of

        return namespace_of(self.pods[0])

    def look_again(self) -> None:
        """The pods of before may be gone."""
        self._pods = ()

    def run(
        self,
        command: Sequence[str],
        options: Sequence[str],
        arguments: Sequence[str] = (),
        *,
        errors: Callable[[Sink], Sink] = lambda sink: sink,
    ) -> int:
        """The exit status of the command, whose output and errors become ours. Raises as `kube.exec_session.execute`.

        `errors` may put something before the sink of errors."""
        words = self._words(command, options, arguments)
        return self._execute(words, sink_for(sys.stdout), errors(sink_for(sys.stderr)))

    def ask(
        self, command: Sequence[str], options: Sequence[str], arguments: Sequence[str] = ()
    ) -> tuple[int, Document]:
        """The same, but for its output, which is one document; None where there is none. Raises ClusterUnreachable, too."""
        octets = bytearray()

        def keep(piece: bytes) -> None:
            from kube.errors import ClusterUnreachable

            octets.extend(piece)
            if len(octets) > _LARGEST_DOCUMENT:
                raise ClusterUnreachable(f"the answer of the pod is larger than {_LARGEST_DOCUMENT >> 20} MiB")

        words = self._words(command, [*options, "--output=json"], arguments)
        status = self._execute(words, keep, sink_for(sys.stderr))
        return status, _document(bytes(octets)) if status == 0 else None

    def _words(self, command: Sequence[str], options: Sequence[str], arguments: Sequence[str]) -> list[str]:
        """Every value stands behind the name of its option, and arguments behind `--`: none can become an option."""
        ready_container(self.pods)
        if not self._administrator:
            self._administrator = administrator_name(self._user())
        local = f"--local-administrator={self._administrator}"
        return [_PROGRAM, *command, *options, local, *(["--", *arguments] if arguments else [])]

    def _execute(self, words: Sequence[str], output: Sink, errors: Sink) -> int:
        from kube.exec_session import execute

        return execute(self.reach.access, ready_container(self.pods), words, output=output, errors=errors)

    def _user(self) -> str:
        """As the API server knows who asks; empty where it does not say."""
        from kube.documents import text
        from kube.errors import CallerFault

        review: JsonObject = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            return text(self.reach.cluster.create(_REVIEWS, review), "status", "userInfo", "username")
        except CallerFault:
            return ""


def administrator_name(user: str) -> str:
    """A common name that tells users apart: a long one keeps both ends, and a digest of the whole."""
    name = _PREFIX + (printable(user) or "unknown")
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(user.encode()).hexdigest()[:_DIGEST]
    kept = _LONGEST_NAME - len(digest) - 2
    head = kept // 2
    return f"{name[:head]}~{name[head - kept :]}#{digest}"


def sink_for(stream: TextIO) -> Sink:
    """What is written there at once, octet by octet; on a terminal, as text in which control characters are shown, not obeyed."""
    if not stream.isatty():
        return lambda octets: _write(stream, octets)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def show(octets: bytes) -> None:
        text = decoder.decode(octets)
        stream.write("\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n")))
        stream.flush()

    return show


def _write(stream: TextIO, octets: bytes) -> None:
    stream.flush()
    stream.buffer.write(octets)
    stream.flush()


def _document(octets: bytes) -> Document:
    from kube.errors import ClusterUnreachable

    try:
        document: Document = json.loads(octets)
    except (ValueError, RecursionError) as err:
        raise ClusterUnreachable("the answer of the pod is no JSON") from err
    return document
