"""One registrar for the tests on a real API server, asking an authority that the tests move."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.kube.distributing import FakeTrust, Registrar, running_registrar
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.kubernetes.pki import TestAuthority


@dataclass(frozen=True, kw_only=True)
class World:
    cluster: ControlPlane
    trust: FakeTrust
    registrar: Registrar
    authority: TestAuthority

    def get(self, path: str):
        return self.cluster.admin.get(path).document

    def create(self, path: str, document):
        answer = self.cluster.admin.create(path, document)
        assert answer.status == 201, answer.octets
        return answer.document


@pytest.fixture(scope="module")
def world(control_plane, tmp_path_factory) -> Iterator[World]:
    authority = TestAuthority(tmp_path_factory.mktemp("roots") / "ca", "roots of the authority")
    trust = FakeTrust(authority.pem)
    with running_registrar(control_plane, trust) as registrar:
        yield World(cluster=control_plane, trust=trust, registrar=registrar, authority=authority)
