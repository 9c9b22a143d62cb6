"""Pods before two authorities on one PostgreSQL database: what one is told holds at the other, from the same moment on."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import grpc
import pytest

from ca.client.errors import CallOutOfTurn, CallUnauthenticated
from certs.keys import KeyType, generate_private_key
from tests.ca.cluster.api_server import BoundToken, FakeApiServer
from tests.ca.cluster.test_enrollment import enroll, verify_opaque
from tests.ca.cluster.test_pod_names import holder_of, living, register, release
from tests.ca.offices import request_for
from tests.ca.server import RunningServer, running_server
from tests.ca.wire import failing
from tests.servers.postgresql import postgresql_server, postgresql_url  # noqa: F401 - fixtures

pytestmark = pytest.mark.postgresql


@pytest.fixture
def replicas(
    cluster: FakeApiServer,
    postgresql_url: str,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> Iterator[Sequence[RunningServer]]:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse battery staple")
    passphrase.chmod(0o600)
    settings = {
        "database": postgresql_url,
        "passphrase_file": passphrase,
        "kubernetes_enrollment": True,
        "kubernetes_kubeconfig": cluster.kubeconfig,
    }
    with running_server(tmp_path / "a", **settings) as one, running_server(tmp_path / "b", **settings) as two:
        yield one, two


def test_what_one_is_told_of_a_pod_the_other_knows(replicas: Sequence[RunningServer], cluster: FakeApiServer) -> None:
    one, two = replicas
    token, key = BoundToken(), generate_private_key(KeyType.EC_P256)
    text = cluster.knows(token)
    register(one, token, "cart.shop.svc")

    certificate = enroll(two, text, request_for(key=key), dns_names=("cart.shop.svc",))
    register(one, token)
    with pytest.raises(CallOutOfTurn) as refused:
        holder_of(two, certificate, key).renew_certificate(request_for())
    assert refused.value.reason == "RENEWAL_REFUSED"

    assert release(one, token) == 1
    with failing() as failure:
        enroll(two, text, request_for(key=key))
    verify_opaque(failure)
    with pytest.raises((CallOutOfTurn, CallUnauthenticated)):  # the second once the other has looked for revocations
        holder_of(two, certificate, key).renew_certificate(request_for())
    assert living(two, token) == []


def test_release_at_one_in_the_midst_of_enrollments_and_renewals_at_both(
    replicas: Sequence[RunningServer], cluster: FakeApiServer
) -> None:
    for attempt in range(4):
        token, key = BoundToken(pod_name=f"race-{attempt}"), generate_private_key(KeyType.EC_P256)
        held = enroll(replicas[0], cluster.knows(token), request_for(key=key))
        holders = [holder_of(replica, held, key) for replica in replicas]
        texts = [cluster.knows(BoundToken(pod_name=token.pod_name, pod_uid=token.pod_uid)) for _ in range(6)]

        def act(number: int, token: BoundToken = token, texts: list[str] = texts, holders: list = holders) -> object:  # type: ignore[type-arg]
            try:
                if number == 5:
                    return release(replicas[0], token)
                if number % 2:
                    return holders[number // 2 % 2].renew_certificate(request_for())
                return enroll(replicas[number // 2 % 2], texts[number // 2])
            except grpc.RpcError as err:
                return cast("grpc.Call", err).code()
            except (CallOutOfTurn, CallUnauthenticated) as err:
                return err

        with ThreadPoolExecutor(12) as pool:
            list(pool.map(act, range(12)))

        assert living(replicas[1], token) == []
    assert replicas[0].office.audit.verify_chain() > 0
