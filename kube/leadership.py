"""Leading: a thread that stands in the election for as long as the process lives, and the fence that it holds.

- Writers are kept out from the moment at which the lease is not surely held, whether or not anybody has noticed yet.
- A term that is over is never taken up again: whoever leads once more begins a new one, and work of the one before is kept out.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator

import structlog

from kube.ambient import Clock, Entropy, Monotonic
from kube.backoff import spread
from kube.cluster import Cluster
from kube.collections import Resource
from kube.documents import JsonObject, resource_version_of
from kube.election import Election, LeaseName, LeaseTiming, Write
from kube.errors import AlreadyThere, ClusterUnreachable, Conflict, KubeError, NotLeading, NotThere

LEASES = Resource(group="coordination.k8s.io", version="v1", plural="leases")

_log = structlog.get_logger("chancery.kube.leadership")


class Leadership:
    """`permit` is for `Cluster.fenced`, from any thread; all else is for the owner."""

    def __init__(
        self,
        cluster: Cluster,
        lease: LeaseName,
        *,
        identity: str,
        begin: Callable[[int], None],
        end: Callable[[], None],
        clock: Clock,
        boottime: Monotonic,
        entropy: Entropy,
        timing: LeaseTiming | None = None,
    ) -> None:
        """`cluster` is not fenced. `boottime` goes on while the machine sleeps.

        `begin` is called at the start of a term, with its number; `end` when it is over. Both are called in the thread that renews
        the lease, and must be quick."""
        self.timing = timing or LeaseTiming()
        self.identity = identity
        self._cluster = cluster.hurried(self.timing.renew_deadline / 2)
        self._path = LEASES.path(lease.namespace, lease.name)
        self._collection_path = LEASES.path(lease.namespace)
        self._election = Election(lease, identity, self.timing)
        self._begin = begin
        self._end = end
        self._clock = clock
        self._boottime = boottime
        self._entropy = entropy
        self._lock = threading.RLock()
        self._term = 0
        self._work = threading.local()
        self._present = 0
        self._is_open = False
        self._beat_at = boottime()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def permit(self) -> float:
        """Raises NotLeading: also in a thread that does the work of a term that is over, whatever was won since."""
        term = getattr(self._work, "term", None)
        with self._lock:
            seconds = self._seconds() if term is None or term == self._term else 0.0
        if seconds <= 0:
            raise NotLeading("this process does not lead, or is not sure to")
        return seconds

    @contextlib.contextmanager
    def within(self, term: int) -> Iterator[None]:
        """What this thread does in the block belongs to that term."""
        self._work.term = term
        try:
            yield
        finally:
            self._work.term = None

    def lasts(self, term: int) -> bool:
        return self._term == term

    @property
    def is_leading(self) -> bool:
        """Whether writers are let in now."""
        with self._lock:
            return self._seconds() > 0

    @property
    def idle_seconds(self) -> float:
        """Since the thread last moved."""
        return self._boottime() - self._beat_at

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="leadership", daemon=True)
        self._thread.start()

    def close_fence(self) -> None:
        """No write begins from now on; the lease is still renewed."""
        with self._lock:
            self._is_open = False
            self._term += 1

    def stop(self, *, release: bool) -> None:
        """With `release`, which is for a process none of whose writes is under way, the next leader need not wait."""
        self.close_fence()
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(self.timing.renew_deadline)
        if release:
            try:
                self._release()
            except KubeError as err:
                _log.warning("the lease was not released; it will expire", error=str(err))
        with self._lock:
            self._election.lost()

    def step(self) -> None:
        """One look at the lease, and what follows from it."""
        self._beat_at = self._boottime()
        try:
            self._stand()
        except (Conflict, AlreadyThere):
            with self._lock:
                self._election.lost()
        except KubeError as err:
            _log.warning("the lease cannot be seen to", error=str(err))
        self._notice()

    def _seconds(self) -> float:
        """A lease that was lost and won again opens nothing before the new term was begun."""
        is_noticed = self._is_open and self._election.term == self._present
        return self._election.seconds_to_write(self._boottime()) if is_noticed else 0.0

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.step()
            except Exception:  # noqa: BLE001 - a thread that ends would leave nobody to lead
                _log.exception("leadership's own fault")
            period = self.timing.retry_period
            self._stopping.wait(spread(period, period * 1.2, self._entropy))

    def _stand(self) -> None:
        lease = self._read()
        with self._lock:
            write = self._election.next_write(lease, monotonic=self._boottime(), clock=self._clock())
        if write is None:
            return
        began = self._boottime()
        granted = self._send(write)
        with self._lock:
            self._election.granted(granted, began=began, monotonic=self._boottime())

    def _release(self) -> None:
        lease = self._read()
        write = None if lease is None else self._election.release(lease, clock=self._clock())
        if write is not None:
            self._send(write)
            _log.info("lease released")

    def _read(self) -> JsonObject | None:
        """Raises ClusterUnreachable for what is no object: a write that named no version would take the lease from anybody."""
        try:
            lease = self._cluster.get(self._path)
        except NotThere:
            return None
        if not resource_version_of(lease):
            raise ClusterUnreachable("the cluster's answer is no Lease: it has no version")
        return lease

    def _send(self, write: Write) -> JsonObject:
        if write.is_new:
            return self._cluster.create(self._collection_path, write.document)
        return self._cluster.replace(self._path, write.document)

    def _notice(self) -> None:
        """Ends a term, begins one, or both: where the lease was lost and won again between two looks, another may have led."""
        with self._lock:
            if self._stopping.is_set():
                return
            leads = self._election.is_leading(self._boottime())
            present = self._election.term if leads else 0
            before, self._present = self._present, present
            if present == before:
                return
            self._is_open = leads
            self._term += 1
            term = self._term
        if before:
            _log.warning("not leading any more", identity=self.identity)
            self._end()
        if leads:
            _log.info("leading", identity=self.identity)
            self._begin(term)
