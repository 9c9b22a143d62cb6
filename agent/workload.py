"""The life of an agent: get the identity of one workload, keep it fresh, follow the roots, until told to stop.

- With files that are in place and valid it starts from those and asks for nothing, unless other DNS names are wanted by now;
  without, it tries until it succeeds.
- Whatever fails later costs nothing that is held: the service keeps its certificate, and the authority is asked again.
- Each turn of the loop, at most a minute apart, looks at the trust bundle. Other roots are published at once, beside the
  certificate that is there; only when every hook has run is the authority told that they are held.
- Files that somebody took away are published again from memory.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol

from agent.authority import Authority, TrustBundle
from agent.credentials import Credentials
from agent.enrollment import Enrollment
from agent.errors import AgentError, CredentialsInvalid, PublishFailed, RenewalFailed, RequestRefused
from agent.heartbeat import Heartbeat
from agent.identity import load_credentials
from agent.publication import Publication
from agent.reload import ReloadHook
from agent.renewer import RenewalEvent, Renewed, Renewer, StepFailed
from agent.schedule import LONGEST_SLEEP, BackOff, Clock
from agent.trust import TrustFollower, asks_for_renewal, has_other_roots
from certs.errors import CertsError
from certs.serials import Entropy

LONGEST_FIRST_RETRY = timedelta(seconds=60)
LONGEST_WAIT_FOR_NAMES = timedelta(seconds=12)
"""Names are registered a moment after the registrar has come round; the authority answers each pod every ten seconds."""


class Pause(Protocol):
    """Waits so many seconds and says whether to stop; `threading.Event.wait` is one."""

    def __call__(self, seconds: float, /) -> bool: ...


class Workload:
    """One identity in one directory; used by one thread."""

    def __init__(
        self,
        *,
        authority: Authority,
        enrollment: Enrollment,
        publication: Publication,
        follower: TrustFollower,
        heartbeat: Heartbeat,
        hooks: Sequence[ReloadHook] = (),
        clock: Clock,
        entropy: Entropy,
        pause: Pause,
        report: Callable[[RenewalEvent], None],
    ) -> None:
        self._authority = authority
        self._enrollment = enrollment
        self._publication = publication
        self._follower = follower
        self._heartbeat = heartbeat
        self._clock = clock
        self._entropy = entropy
        self._sleep = pause
        self._report = report
        self._held: Credentials | None = None
        self._is_hurried = False
        self._renewer = Renewer(
            load=self._load,
            renew=self._enrollment,
            publish=self._publish,
            hooks=hooks,
            clock=clock,
            entropy=entropy,
            pause=self._pause,
            report=report,
            failures=(CertsError,),
            hurried=lambda held: self._is_hurried or enrollment.wants_other_names(held),
            beat=heartbeat.beat,
        )

    def run(self) -> None:
        """Returns once `pause` says so. Raises only what nobody announced."""
        self._heartbeat.beat()
        if self.start():
            while not self._pause(self._renewer.step()):
                pass

    def start(self, *, patience: timedelta | None = None) -> bool:
        """Sees to a first certificate, for `patience` at most; False where it was told to stop.

        Raises the last RenewalFailed, PublishFailed or error of `certs` when the patience is over.
        """
        back_off: BackOff | None = None
        until = None if patience is None else self._heartbeat.monotonic() + patience.total_seconds()
        while not self._has_identity():
            try:
                self._publish(self._enrollment(None))
            except (AgentError, CertsError, OSError) as err:
                back_off = BackOff.after(back_off, now=self._clock(), entropy=self._entropy)
                delay = min(back_off.delay, LONGEST_WAIT_FOR_NAMES if _waits_for_names(err) else LONGEST_FIRST_RETRY)
                if until is not None and self._heartbeat.monotonic() + delay.total_seconds() > until:
                    raise
                self._report(StepFailed(step="enroll", error=err, retry_in=delay, expired=True))
                if self._pause(delay.total_seconds()):
                    return False
            else:
                self._report(Renewed(not_after=self._present().not_after))
        return True

    def run_once(self, *, patience: timedelta) -> None:
        """A valid certificate in place, renewed if it was due and the authority could be asked. Raises as `start`."""
        if not self.start(patience=patience):
            return
        self._renewer.step()
        if self._clock() > self._present().not_after:
            raise RenewalFailed("the certificate has expired and could not be renewed; the lines above say why")

    def _has_identity(self) -> bool:
        if self._held is not None:
            return True
        try:
            self._held = load_credentials(self._publication.directory)
        except CredentialsInvalid:
            return False
        return True

    def _present(self) -> Credentials:
        if self._held is None:
            self._held = load_credentials(self._publication.directory)
        return self._held

    def _publish(self, credentials: Credentials) -> None:
        self._publication.publish(credentials)
        self._held = credentials

    def _pause(self, seconds: float) -> bool:
        self._heartbeat.beat()
        is_over = self._sleep(seconds)
        self._heartbeat.beat()
        return is_over

    def _load(self) -> Credentials:
        """What is on disk, with the roots of now. Raises PublishFailed."""
        held = self._on_disk()
        try:
            bundle = self._follower.look(self._authority, held, is_told=self._renewer.is_told)
        except (RenewalFailed, CertsError) as err:
            self._fail("trust", err)
            return held
        return self._with_roots(bundle, held)

    def _with_roots(self, bundle: TrustBundle, held: Credentials) -> Credentials:
        self._is_hurried = asks_for_renewal(bundle, held)
        if not has_other_roots(bundle, held):
            return held
        fresh = Credentials.from_pem(
            certificate_chain=held.certificate_chain, private_key=held.private_key, trust_bundle=bundle.roots_pem
        )
        try:
            self._publish(fresh)
        except PublishFailed as err:
            self._fail("publish", err)
            return held
        return fresh

    def _on_disk(self) -> Credentials:
        try:
            held = load_credentials(self._publication.directory)
        except CredentialsInvalid:
            if self._held is None:
                raise
            self._publish(self._held)
            return self._held
        self._held = held
        return held

    def _fail(self, step: str, error: Exception) -> None:
        expired = self._held is not None and self._clock() > self._held.not_after
        self._report(StepFailed(step=step, error=error, retry_in=LONGEST_SLEEP, expired=expired))


def _waits_for_names(error: Exception) -> bool:
    return isinstance(error, RequestRefused) and error.refusal == "NAMES_NOT_REGISTERED"
