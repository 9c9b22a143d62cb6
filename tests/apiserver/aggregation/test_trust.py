"""What the cluster trusts changes while our server runs, and our server follows."""

import pytest

from tests.apiserver.client import flunder
from tests.servers.kubernetes.fixtures import KUBERNETES
from tests.servers.kubernetes.pki import TestAuthority

pytestmark = KUBERNETES

_SECONDS = 90  # kube-apiserver looks at its files once a minute, should the news of a change get lost


@pytest.mark.parametrize(
    ("trusted", "identity", "headers"),
    [
        ("client_ca", ("late", "system:masters"), {}),
        ("front_proxy_ca", ("front-proxy-client",), {"X-Remote-User": "late", "X-Remote-Group": "system:masters"}),
    ],
)
def test_authority_that_the_cluster_comes_to_trust_is_trusted_while_watches_go_on(
    cluster, direct, tmp_path, flunders, trusted, identity, headers
):
    newcomer = TestAuthority(tmp_path / "ca", f"new-{trusted}")
    bundle = getattr(cluster, trusted).certificate
    with cluster.admin.watch(flunders) as watch:
        with bundle.open("ab") as file:
            file.write(newcomer.pem)
        cluster.wait_until(
            lambda: direct(*identity, authority=newcomer, headers=headers).get(flunders).status == 200,
            "the new authority is trusted",
            seconds=_SECONDS,
        )
        cluster.admin.create(flunders, flunder("a"))
        event = watch.next()

    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "a")
