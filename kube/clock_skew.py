"""How far this machine's clock and the API server's are apart: whoever is too far behind finds fresh certificates not valid yet.

- The API server says what it takes the time for in the header Date of every answer (RFC 9110 section 6.6.1), in whole seconds; it
  is asked once a minute for what is smallest, its version.
- What lies within the time that the question took, or within that second, is no difference.
"""

import threading
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

import structlog

from kube.ambient import Clock
from kube.errors import KubeError

UNKNOWN = float("nan")
_EVERY_SECONDS = 60.0

_log = structlog.get_logger("chancery.kube")


def skew_seconds(date: str, *, before: float, after: float) -> float:
    """Positive where this clock is ahead, negative where it is behind; NaN where `date` is none.

    `before` and `after` are this clock's seconds since 1970 when the question was put and when it was answered.
    """
    try:
        said = parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return UNKNOWN
    if before > said + 1:
        return before - said - 1
    return min(0.0, after - said)


class ClockComparison:
    """A thread that compares until it is stopped; `show` is told each difference, in seconds."""

    def __init__(
        self,
        ask: Callable[[], Mapping[str, str]],
        *,
        clock: Clock,
        show: Callable[[float], None],
        every: float = _EVERY_SECONDS,
    ) -> None:
        """`ask` puts a question to the API server and returns the headers of its answer. Raises KubeError."""
        self._ask = ask
        self._clock = clock
        self._show = show
        self._every = every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clock-comparison", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Does not wait: a question that is under way has its own end."""
        self._stopping.set()

    def compare(self) -> float:
        """Once. NaN where the API server does not say."""
        before = self._clock().timestamp()
        try:
            headers = self._ask()
        except KubeError as err:
            _log.debug("the cluster does not say what time it is", error=str(err))
            return UNKNOWN
        return skew_seconds(headers.get("Date", ""), before=before, after=self._clock().timestamp())

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._show(self.compare())
            self._stopping.wait(self._every)
