"""What a real Prometheus answers to the dashboard's queries, having scraped a release of the chart that is in use.

- The queries are evaluated as Grafana would: over the range with the interval that it would choose, or at its end.
- The recording ends at half a minute, so that no mark of the time lies on the edge of a panel.
"""

import contextlib
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.end_to_end.installation import NAMESPACE, Installation
from tests.observability.picture.story import Story
from tests.observability.queries import panels
from tests.servers.prometheus import Prometheus, prometheus

_SCRAPE_SECONDS = 5
_RATE_SECONDS = 4 * _SCRAPE_SECONDS
"""What Grafana makes of it for `$__rate_interval`."""
_PORTS = {"ca": 8111, "apiserver": 8443, "controller": 8114, "injector": 8116}
_OVER_TLS = ("ca", "apiserver")
_READER = "prometheus"
_READERS_RIGHT = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": _READER},
    "rules": [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}],
}


def record(release: Installation, seconds: float) -> Mapping[str, Any]:
    story = Story(release=release, seconds=seconds)
    story.begin()
    with tempfile.TemporaryDirectory(prefix="recording-") as name, scraping(story, Path(name)) as running:
        running.await_series(f'count(up{{namespace="{NAMESPACE}"}} == 1) >= {len(_PORTS)}')
        began = time.time()
        ended = half_a_minute_before(story.go_on())
        for what, times in story.faults.most_common():
            print(f"{times} times: {what}")
        return {
            "from": began,
            "to": ended,
            "step": _SCRAPE_SECONDS,
            "namespace": NAMESPACE,
            "answers": {str(panel["id"]): answers(running, panel, began, ended) for panel in panels()},
        }


def half_a_minute_before(instant: float) -> float:
    return (instant - 30) // 60 * 60 + 30


def answers(running: Prometheus, panel: Mapping[str, Any], began: float, ended: float) -> Mapping[str, Any]:
    """By the queries' letters."""
    found = {}
    for target in panel["targets"]:
        expression = target["expr"].replace("$namespace", NAMESPACE).replace("$__rate_interval", f"{_RATE_SECONDS}s")
        if target.get("instant"):
            found[target["refId"]] = running.query(expression, at=ended)
        else:
            found[target["refId"]] = running.query_range(expression, began, ended, step=_SCRAPE_SECONDS)
    return found


@contextlib.contextmanager
def scraping(story: Story, directory: Path) -> Iterator[Prometheus]:
    """As the chart's ServiceMonitors have it done. The roots are kept as new as a mounted Secret is."""
    release = story.release
    release.apply(_READERS_RIGHT)
    release.kubectl("create", "serviceaccount", _READER, "--namespace=default")
    release.kubectl(
        "create", "clusterrolebinding", _READER, f"--clusterrole={_READER}", f"--serviceaccount=default:{_READER}"
    )
    (directory / "token").write_text(release.kubectl("create", "token", _READER, "--namespace=default").strip())
    ended = threading.Event()

    def keep_roots() -> None:
        (directory / "new").write_bytes(story.roots())
        (directory / "new").rename(directory / "ca.crt")

    def keep_on() -> None:
        while not ended.wait(_SCRAPE_SECONDS):
            with contextlib.suppress(Exception):
                keep_roots()

    keep_roots()
    keeper = threading.Thread(target=keep_on)
    keeper.start()
    try:
        configuration = {
            "global": {"scrape_interval": f"{_SCRAPE_SECONDS}s"},
            "scrape_configs": [scrape_of(component, release, directory) for component in _PORTS],
        }
        with prometheus(directory, configuration) as running:
            yield running
    finally:
        ended.set()
        keeper.join()


def scrape_of(component: str, release: Installation, directory: Path) -> Mapping[str, Any]:
    service = f"chancery-{component}"
    configuration: dict[str, Any] = {"job_name": service, "static_configs": targets(component, release)}
    if component in _OVER_TLS:
        tls = {"ca_file": str(directory / "ca.crt"), "server_name": f"{service}.{NAMESPACE}.svc"}
        configuration |= {"scheme": "https", "tls_config": tls}
    if component == "apiserver":
        configuration["authorization"] = {"credentials_file": str(directory / "token")}
    return configuration


def targets(component: str, release: Installation) -> Sequence[Mapping[str, Any]]:
    service = f"chancery-{component}"
    return [
        {
            "targets": [f"{pod.listens_at}:{_PORTS[component]}"],
            "labels": {"namespace": NAMESPACE, "service": service, "pod": pod.document["metadata"]["name"]},
        }
        for pod in release.node.pods_of(NAMESPACE, f"{service}-")
    ]
