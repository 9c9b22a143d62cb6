"""What happens in the cluster while the dashboard is recorded: everyday calls, some that are refused, and two rotations.

- Each call goes on at its own pace; one that fails is told at the end and stops nothing.
- What is made is taken away again, so that a longer story needs no more room.
"""

import base64
import itertools
import json
import ssl
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.end_to_end import objects
from tests.end_to_end.installation import NAMESPACE, Installation, fault
from tests.end_to_end.objects import SHOP
from tests.end_to_end.orders import PODS, Orders
from tests.observability.test_dashboard import ask, serial_of

_REPORTS = f"/apis/wgpolicyk8s.io/v1alpha2/namespaces/{SHOP}/policyreports"
_PODS_KEPT = 3
_REPORTS_KEPT = 40
_REASONS = ("key-compromise", "affiliation-changed", "privilege-withdrawn")
_REFUSED = (
    {"hostNetwork": True},
    {"os": {"name": "windows"}},
    {"annotations": {"chancery.dev/duration": "1s"}},
)


@dataclass(slots=True, kw_only=True)
class Story:
    release: Installation
    seconds: float
    faults: Counter[str] = field(default_factory=Counter)
    _has_rotated: threading.Event = field(default_factory=threading.Event)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def begin(self) -> None:
        """What is there before anybody looks."""
        self.release.apply(objects.namespace())
        self.release.install()
        self.release.make_administrator()
        account = {"kind": "ServiceAccount", "name": "default", "namespace": SHOP}
        self.release.apply(
            objects.may_report(account),
            objects.service(),
            objects.webhook(),
            objects.api_service(),
            objects.deployment("things", annotations={"chancery.dev/dns": "things.shop.svc"}, port=8443),
            objects.deployment("cart", annotations={}),
        )
        self.release.kubectl("wait", "apiservices", "--all", "--for=condition=Available", "--timeout=60s")

    def go_on(self) -> float:
        """For as long as it takes; returns when it ended, in seconds since 1970. Calls that wait then are waited for."""
        ended = threading.Event()
        threads = [
            threading.Thread(target=self._repeat, args=(name, seconds, call, ended))
            for name, (seconds, call) in self._calls().items()
        ]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        for share, what in ((0.08, "root"), (0.5, "issuer")):
            ended.wait(max(0.0, began + share * self.seconds - time.monotonic()))
            self._note(f"rotation of the {what}", lambda what=what: self._rotate(what, until=began + self.seconds))
            self._has_rotated.set()
        ended.wait(max(0.0, began + self.seconds - time.monotonic()))
        ended_at = time.time()
        ended.set()
        for thread in threads:
            thread.join()
        return ended_at

    def roots(self) -> bytes:
        secret = self.release.read("secret", "chancery-ca-roots", f"--namespace={NAMESPACE}")
        return base64.b64decode(secret["data"]["ca.crt"])

    def _calls(self) -> Mapping[str, tuple[float, Callable[[], object]]]:
        """By what they are, the seconds between two of them."""
        orders, pods, reports = Orders(release=self.release), deque[str](), deque[str]()
        return {
            "requests for certificates": (1.5, orders.sign),
            "pods": (12, lambda: self._replace_pod(pods)),
            "reports written": (0.4, lambda: self._report(reports)),
            "reports read": (0.3, lambda: self._get(_REPORTS)),
            "pods tried": (0.5, lambda: self._try_pod(objects.labelled_pod("tried"), 201)),
            "pods refused": (6, self._try_refused_pod),
            "reviews by the user's webhook": (2, self._ask_webhook),
            "signed and revoked": (15, self._sign_and_revoke),
            "requests revoked": (10, lambda: self._revoke_signed(orders)),
            "tokens made up": (4, self._enroll_with_nothing),
            "renewal of the administrator": (20, self._renew),
        }

    def _repeat(self, name: str, seconds: float, call: Callable[[], object], ended: threading.Event) -> None:
        while not ended.wait(seconds):
            self._note(name, call)

    def _note(self, name: str, call: Callable[[], object]) -> None:
        try:
            wrong = call()
        except Exception as err:  # noqa: BLE001 - whatever it is, the story goes on
            wrong = repr(err)
        if wrong:
            self.faults[f"{name}: {str(wrong)[-400:]}"] += 1

    def _rotate(self, what: str, *, until: float) -> str:
        """To its end, unless it takes longer."""
        self.release.ca_cli("rotate", what, "--now", "--no-wait")
        while time.monotonic() < until:
            if self.release.rotation()["rotation"]["finish_time"]:
                return ""
            time.sleep(5)
        return json.dumps(self.release.rotation()["waits"])

    def _renew(self) -> None:
        self.release.ca_cli("renew", identity=self.release.administrator)

    def _get(self, path: str) -> str:
        return fault(self.release.cluster.admin.get(path), 200)

    def _replace_pod(self, pods: deque[str]) -> str:
        """Not before the root was rotated: what a pod said to hold is waited for, for a day, though the pod is gone."""
        if not self._has_rotated.is_set():
            return ""
        pods.append(f"pod-{next(self._numbers)}")
        while len(pods) > _PODS_KEPT:
            self.release.cluster.admin.delete(f"{PODS}/{pods.popleft()}")
        return fault(self.release.cluster.admin.create(PODS, objects.labelled_pod(pods[-1])), 201)

    def _report(self, reports: deque[str]) -> str:
        name = f"report-{next(self._numbers)}"
        reports.append(name)
        if len(reports) > _REPORTS_KEPT:
            self.release.cluster.admin.delete(f"{_REPORTS}/{reports.popleft()}")
        return fault(self.release.cluster.admin.create(_REPORTS, objects.report(name)), 201)

    def _try_pod(self, pod: Mapping[str, Any], expected: int) -> str:
        return fault(self.release.cluster.admin.create(PODS, pod, dryRun="All"), expected)

    def _try_refused_pod(self) -> str:
        change: dict[str, Any] = dict(_REFUSED[next(self._numbers) % len(_REFUSED)])
        pod = objects.labelled_pod("refused")
        pod["metadata"]["annotations"] = change.pop("annotations", {})
        pod["spec"] |= change
        return self._try_pod(pod, 400)

    def _ask_webhook(self) -> str:
        path = f"/api/v1/namespaces/{SHOP}/configmaps"
        return fault(self.release.cluster.admin.create(path, objects.asked_about(), dryRun="All"), 201)

    def _revoke_signed(self, orders: Orders) -> None:
        """As nobody would renew them, which a rotation waits for."""
        signed = {name: f"{leaf.serial_number:x}" for name, leaf in orders.certificates.copy().items()}
        if signed:
            self.release.ca_cli("revoke", "--yes", "--reason", "superseded", *signed.values())
        for name in signed:
            del orders.certificates[name]

    def _sign_and_revoke(self) -> None:
        number = next(self._numbers)
        with tempfile.TemporaryDirectory(dir=self.release.node.directory) as name:
            out = Path(name) / "signed"
            self.release.ca_cli("sign", "--cn", f"client-{number}", "--profile", "client", "--out", str(out))
            serial = serial_of(out / "tls.crt")
        self.release.ca_cli("revoke", "--yes", "--reason", _REASONS[number % len(_REASONS)], serial)

    def _enroll_with_nothing(self) -> None:
        authority = self.release.node.pod(NAMESPACE, "chancery-ca").listens_at
        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        way = ("", "/service-account")[next(self._numbers) % 2]
        ask(f"https://{authority}:8111/v1/enroll{way}", anybody, b'{"token": "made-up", "csr": ""}')
