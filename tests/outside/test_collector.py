"""A collector of traces over TLS, alone and behind a proxy: who is believed, and who is asked."""

import contextlib
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.cli.program import Program
from tests.observability.collector import Collector, collector
from tests.outside.proxy import proxy
from tests.outside.test_roots import as_mounted

pytestmark = pytest.mark.xdist_group("outside")

AUTHORITY, PROXY_AUTHORITY = trustme.CA(), trustme.CA()
_SECONDS = 60


def tls_of(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def collecting() -> Iterator[Collector]:
    with collector(tls_of(AUTHORITY, "localhost", "otel.example.com")) as running:
        yield running


@contextlib.contextmanager
def tracing_apiserver(directory: Path, **variables: str) -> Iterator[None]:
    """An API server that stands alone, which is traced when it is asked something: the one that the kubelet asks."""
    (directory / "work").mkdir()
    program = Program(
        home=directory / "home", directory=directory / "work", variables={"OTEL_BSP_SCHEDULE_DELAY": "100", **variables}
    )
    process = program.start("apiserver", "--secure-port", "0", "--authorization-skip-lookup")
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        ask(url)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=_SECONDS)


def ask(url: str) -> None:
    import urllib.error
    import urllib.request

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(f"{url}/apis", context=context, timeout=30).close()


def wait_for(condition) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)


def mounted(directory: Path, *authorities: trustme.CA) -> str:
    files = {f"{number}.crt": authority.cert_pem.bytes() for number, authority in enumerate(authorities)}
    return str(as_mounted(directory, files))


def test_collector_of_an_unknown_authority_gets_nothing(tmp_path, collecting):
    spans, refused = len(collecting.spans), collecting.refused

    with tracing_apiserver(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collecting.endpoint):
        wait_for(lambda: collecting.refused > refused)

    assert len(collecting.spans) == spans


@pytest.mark.parametrize("name", ["EXTRA", "DEFAULT"])
def test_collector_of_an_authority_that_was_named_is_believed(tmp_path, collecting, name):
    variables = {f"CHANCERY_APISERVER_{name}_CA_CERTIFICATES": mounted(tmp_path / "named", AUTHORITY)}
    spans = len(collecting.spans)

    with tracing_apiserver(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collecting.endpoint, **variables):
        wait_for(lambda: len(collecting.spans) > spans)


@pytest.mark.parametrize("over_tls", [False, True], ids=["http", "https"])
def test_collector_outside_is_reached_through_the_proxy_and_both_are_believed(tmp_path, collecting, over_tls):
    spans = len(collecting.spans)
    named = mounted(tmp_path / "named", AUTHORITY, *([PROXY_AUTHORITY] if over_tls else []))
    port = int(collecting.endpoint.rpartition(":")[2])
    with proxy(port, tls_of(PROXY_AUTHORITY, "localhost") if over_tls else None) as between:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel.example.com:4318",
            "HTTPS_PROXY": between.url.replace("//", "//me:secret@"),
            "NO_PROXY": "localhost,127.0.0.1,::1,.svc,.cluster.local,10.0.0.1",
            "CHANCERY_APISERVER_EXTRA_CA_CERTIFICATES": named,
        }
        with tracing_apiserver(tmp_path, **variables):
            wait_for(lambda: len(collecting.spans) > spans)

    assert set(between.asked) == {"otel.example.com:4318"}
    assert set(between.credentials) == {"Basic bWU6c2VjcmV0"}


def test_collector_inside_is_not_asked_for_through_the_proxy(tmp_path, collecting):
    """As the chart's NO_PROXY has it."""
    spans = len(collecting.spans)
    with proxy(1) as between:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collecting.endpoint,
            "HTTPS_PROXY": between.url,
            "NO_PROXY": "localhost,127.0.0.1,::1,.svc,.cluster.local,10.0.0.1",
            "CHANCERY_APISERVER_EXTRA_CA_CERTIFICATES": mounted(tmp_path / "named", AUTHORITY),
        }
        with tracing_apiserver(tmp_path, **variables):
            wait_for(lambda: len(collecting.spans) > spans)

    assert between.asked == []
