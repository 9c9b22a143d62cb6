"""Every process that Prometheus scrapes, started by `ca-cli` on free ports of loopback, with an API server that is played."""

import contextlib
import re
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cli.program import Program, client_variables, serving
from tests.kube.api_server import FakeCluster, fake_cluster

_SECONDS = 30
_KINDS = {
    "coordination.k8s.io/v1/leases": "Lease",
    "v1/events": "Event",
    "v1/namespaces": "Namespace",
    "events.k8s.io/v1/events": "Event",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One process; `identity` is the directory of a client certificate and of the roots, where it serves TLS."""

    process: str
    url: str
    identity: Path | None = None

    def scrape(self) -> str:
        context = None
        if self.identity is not None:
            context = ssl.create_default_context(cafile=str(self.identity / "ca.crt"))
            context.load_cert_chain(self.identity / "tls.crt", self.identity / "tls.key")
        with urllib.request.urlopen(f"{self.url}/metrics", context=context, timeout=_SECONDS) as answer:
            return answer.read().decode()

    def metrics(self) -> Mapping[str, str]:
        """Type by name of every metric that is shown; when series began is left out."""
        shown = re.findall(r"^# TYPE (\S+) (\S+)$", self.scrape(), re.MULTILINE)
        return {name: kind for name, kind in shown if not name.endswith("_created")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitored:
    program: Program
    cluster: FakeCluster
    webhook: str
    targets: Mapping[str, Target]


@contextlib.contextmanager
def monitored(directory: Path, variables: Mapping[str, str] | None = None) -> Iterator[Monitored]:
    """`variables` are of the servers' environment, beside what finds them."""
    (directory / "work").mkdir()
    home = directory / "home"
    given = dict(variables or {})
    lone = Program(home=home, directory=directory / "work", variables=given)
    lone.succeed("init")
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(fake_cluster(directory))
        cluster.kinds.update(_KINDS)
        cluster.put("/api/v1/namespaces/shop", metadata={"labels": {"chancery.dev/inject": "true"}})
        endpoints = stack.enter_context(serving(lone))
        program = Program(home=home, directory=directory / "work", variables={**given, **client_variables(endpoints)})
        identity = home / "identity"
        program.succeed("sign", "--cn", "development", "--org", "system:masters", "--out", "development")
        member = _identity(directory / "work" / "development", identity / "ca.crt")
        there = ("--kubeconfig", str(cluster.kubeconfig), "--identity", str(identity), "--health-port", "0")
        apiserver = stack.enter_context(
            _started(program, "apiserver", "apiserver", "--secure-port", "0", "--authorization-skip-lookup")
        )
        server = program.variables["CHANCERY_SERVER"]
        controller = stack.enter_context(
            _started(program, "controller", "controller", "--namespace", "chancery", "--server", server, *there)
        )
        injector = stack.enter_context(
            _started(
                program,
                *("health", "injector", "--namespace", "chancery", "--image", "chancery", "--webhook-port", "0"),
                *there,
            )
        )
        targets = (
            Target(process="ca-cli serve", url=endpoints["http"].replace("127.0.0.1", "localhost"), identity=identity),
            Target(
                process="ca-cli apiserver",
                url=apiserver["apiserver"].replace("127.0.0.1", "localhost"),
                identity=member,
            ),
            Target(process="ca-cli controller", url=controller["controller"]),
            Target(process="ca-cli injector", url=injector["health"]),
        )
        yield Monitored(
            program=program,
            cluster=cluster,
            webhook=injector["injector"],
            targets={one.process: one for one in targets},
        )


def _identity(directory: Path, roots: Path) -> Path:
    """What `sign` wrote, with the roots beside it."""
    (directory / "ca.crt").write_bytes(roots.read_bytes())
    return directory


@contextlib.contextmanager
def _started(program: Program, announced: str, *arguments: str) -> Iterator[Mapping[str, str]]:
    """What the process announces, up to that name."""
    process = program.start(*arguments)
    try:
        assert process.stdout is not None
        urls = {}
        for line in process.stdout:
            name, url, *_ = line.split()
            urls[name] = url
            if name == announced:
                break
        else:
            raise AssertionError(f"{arguments} did not start: {process.communicate(timeout=_SECONDS)}")
        yield urls
    finally:
        process.terminate()
        try:
            process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
