"""A serving certificate from the authority, for a server of ours that is not the authority: asked for, held in memory, renewed.

- The key is made here and never leaves the process's memory; each certificate gets a fresh one.
- So what a process before this one held in the same place is used no more, and the authority is told (`cli.places`). What this one
  holds is given up at its stop, by revocation; where that fails, whoever comes after says so.
- The identity that asks is read anew each time, so that it may itself be renewed by others.
- The trust bundle is looked at with every step of the timetable, at least once a minute, and not only at renewals.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from agent.credentials import Credentials
from agent.errors import AgentError
from agent.renewer import RenewalEvent, Renewed, Renewer, Scheduled, StepFailed
from agent.schedule import Clock
from cli import ambient
from cli.endpoint import Endpoint
from cli.errors import CliError
from cli.places import Place

if TYPE_CHECKING:
    from ca.client.following import TrustFollower
    from certs.alternative_names import SubjectAlternativeNames

_PROFILE = "server"
_GIVING_UP = timedelta(seconds=3)

_log = structlog.get_logger("chancery.serving")


class ServingCertificateKeeper:
    """Asks once, then keeps what it got fresh in a thread of its own."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        common_name: str,
        names: "SubjectAlternativeNames",
        lifetime: timedelta | None = None,
        place: Place | None = None,
        clock: Clock = ambient.clock,
    ) -> None:
        """Without a `lifetime` it is the authority's default; without a `place` nothing is known of processes before this one."""
        self._endpoint = endpoint
        self._clock = clock
        self._common_name = common_name
        self._names = names
        self._lifetime = lifetime
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._held: Credentials | None = None
        self._place = place or Place()
        self._is_hurried = False
        self._follower: TrustFollower | None = None

    def ask(self) -> Credentials:
        """Raises ClientError, CliError and errors of `certs`."""
        from certs.key_types import KeyType
        from certs.keys import encode_private_key
        from certs.requests import build_request
        from certs.subject import SubjectName
        from cli.replacement import sign_instead

        key = ambient.make_key(KeyType.EC_P256)  # every client can verify it, and TLS libraries are slow with others
        request = build_request(key, SubjectName(common_name=self._common_name), self._names)
        request_id, replaced = ambient.entropy(16).hex(), self._place.names
        self._place.note(request_id)
        with self._endpoint.client() as client:
            # first, as nothing may fail once there is another certificate
            roots = client.trust.get_trust_bundle().roots_pem
            signed = sign_instead(
                client, request, replaces=replaced, request_id=request_id, profile=_PROFILE, lifetime=self._lifetime
            )
        self._place.settle(signed.id)
        self._held = Credentials.from_pem(
            certificate_chain=signed.full_chain_pem, private_key=encode_private_key(key), trust_bundle=roots
        )
        return self._held

    def keep(self, publish: Callable[[Credentials], None]) -> None:
        """Starts the thread; `publish` is called in it with whatever is new: certificate and key, or the trust bundle."""
        self._thread = threading.Thread(target=self.renewer(publish).run, name="serving-certificate", daemon=True)
        self._thread.start()

    def renewer(self, publish: Callable[[Credentials], None]) -> Renewer:
        """The loop of that thread."""
        from ca.client.errors import ClientError
        from certs.errors import CertsError

        return Renewer(
            load=lambda: self._with_present_trust(publish),
            renew=lambda _held: self.ask(),
            publish=publish,
            clock=self._clock,
            entropy=ambient.entropy,
            pause=self._stopping.wait,
            report=_report,
            failures=(ClientError, CertsError, CliError),
            hurried=lambda _held: self._is_hurried,
        )

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def give_up(self) -> None:
        """Revokes what is held, once nothing is served with it any more; takes some seconds at most, and fails without harm."""
        from ca.client.errors import ClientError
        from ca.client.values import RevocationReason

        is_asking = self._thread is not None and self._thread.is_alive()
        if self._held is None or is_asking:
            return
        serial = f"{self._held.leaf.serial_number:032x}"
        endpoint = replace(self._endpoint, timeout=min(self._endpoint.timeout, _GIVING_UP))
        try:
            with endpoint.client() as client:
                client.certificates.revoke_certificate(serial, RevocationReason.CESSATION_OF_OPERATION)
        except (ClientError, CliError, AgentError) as err:
            _log.info("serving certificate not revoked; it ends by itself", error=str(err))
        else:
            self._held = None
            self._place.settle()

    def _with_present_trust(self, publish: Callable[[Credentials], None]) -> Credentials:
        """What is held; where the authority has other roots by now, they are held and published first."""
        from ca.client.errors import ClientError
        from ca.client.following import TrustFollower, leads_to_a_root

        held = self._held or self.ask()
        follower = self._follower = self._follower or TrustFollower(f"{self._common_name}@{ambient.host_name()}"[:64])
        try:
            with self._endpoint.client() as client:
                bundle = follower.look(client.trust, held.trust_bundle)
        except (ClientError, CliError) as err:
            _log.warning("trust bundle not looked at", error=str(err))
            return held
        roots = bundle.roots_pem
        leads_nowhere = not leads_to_a_root(bundle, held.certificate_chain)
        self._is_hurried = leads_nowhere or follower.asks_for_renewal(bundle, held.leaf, roots)
        if roots == held.trust_bundle:
            return held
        self._held = Credentials.from_pem(
            certificate_chain=held.certificate_chain, private_key=held.private_key, trust_bundle=roots
        )
        publish(self._held)
        _log.info("trust bundle changed")
        return self._held


def _report(event: RenewalEvent) -> None:
    match event:
        case Scheduled():
            _log.info("serving certificate", not_after=event.not_after.isoformat(), renew_at=event.renew_at.isoformat())
        case Renewed():
            _log.info("serving certificate renewed", not_after=event.not_after.isoformat())
        case StepFailed():
            _log.warning(
                "serving certificate not renewed",
                step=event.step,
                error=str(event.error),
                retry_in=event.retry_in.total_seconds(),
                expired=event.expired,
            )
        case _:
            pass
