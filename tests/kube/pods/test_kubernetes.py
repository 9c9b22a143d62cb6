"""Pods of a real kube-apiserver, a real authority, and the registrar between them."""

import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from tests.ca.test_ocsp import ask
from tests.ca.wire import SECONDS, failing
from tests.kube.pods.registrar import running_registrar
from tests.kube.pods.shop import Holder, Shop, make_shop
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES

LABELS = {"app": "web", "chancery.dev/inject": "true"}


@pytest.fixture(scope="class")
def registrar(shop: Shop) -> Iterator[None]:
    with running_registrar(shop.registrar_kubeconfig, shop.namespace, shop.target, shop.registrar_identity):
        yield


def verify_worthless(shop: Shop, holder: Holder, directory: Path) -> None:
    """Its certificate is revoked for everybody who asks, shown to nobody with success, and no other is to be had."""
    assert ": revoked" in ask(shop.server, holder.certificate, directory)
    url = f"{shop.server.endpoints.revocation}/crl/{holder.certificate.issuer_id}/0.crl"
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        crl = x509.load_der_x509_crl(answer.read())
    serial = x509.load_pem_x509_certificate(holder.certificate.certificate_pem.encode()).serial_number
    assert crl.get_revoked_certificate_by_serial_number(serial) is not None
    with failing() as refused:
        stub = CertificateServiceStub(shop.server.channel(holder.identity))
        stub.GetCsrTemplate(service.GetCsrTemplateRequest(), timeout=SECONDS)
    assert refused.code is grpc.StatusCode.UNAUTHENTICATED
    with failing() as failure:
        shop.show(holder.token, holder.key)
    assert failure.reason == "ENROLLMENT_REFUSED"


@pytest.mark.usefixtures("registrar")
class TestRegistrar:
    def test_pod_enrolls_with_the_names_of_its_service(self, shop: Shop) -> None:
        shop.new_service()
        pod = shop.new_pod(labels=LABELS)
        name = f"web.{shop.namespace}.svc"
        shop.plane.wait_until(lambda: name in shop.registered_names(pod["metadata"]["uid"]), "names are registered")

        holder = shop.enroll(pod, name)

        assert list(holder.certificate.names.dns_names) == [name]
        shop.delete("services", "web")
        shop.plane.wait_until(lambda: not shop.registered_names(holder.uid), "names are taken away")
        with failing() as failure:
            shop.show(shop.token_of(pod), holder.key, name)
        assert failure.reason == "NAMES_NOT_REGISTERED"

    def test_deleted_pod_s_certificate_and_its_token_are_worth_nothing(self, shop: Shop, tmp_path: Path) -> None:
        holder, other = shop.enroll(shop.new_pod()), shop.enroll(shop.new_pod())

        shop.delete("pods", holder.name)

        shop.await_revoked(holder)
        assert shop.is_authenticated(holder.token)
        verify_worthless(shop, holder, tmp_path)
        assert not shop.is_revoked(other)

    def test_pod_that_shuts_down_keeps_its_certificate_until_it_is_gone(self, shop: Shop) -> None:
        holder = shop.enroll(shop.new_pod())
        marker = shop.enroll(shop.new_pod())

        shop.delete("pods", holder.name, seconds=30)
        shop.delete("pods", marker.name)
        shop.await_revoked(marker)
        assert not shop.is_revoked(holder)

        shop.delete("pods", holder.name)
        shop.await_revoked(holder)

    def test_pod_that_has_ended_is_released(self, shop: Shop) -> None:
        holder = shop.enroll(shop.new_pod())

        shop.end_pod(holder.pod, "Succeeded")

        shop.await_revoked(holder)

    def test_deleted_service_account_takes_its_pods_with_it(self, shop: Shop, tmp_path: Path) -> None:
        shop.create("serviceaccounts", {"metadata": {"name": "cart"}})
        holders = [shop.enroll(shop.new_pod(account="cart")) for _ in range(3)]
        other = shop.enroll(shop.new_pod())

        shop.delete("serviceaccounts", "cart")

        shop.await_revoked(*holders)
        verify_worthless(shop, holders[0], tmp_path)
        assert not shop.is_revoked(other)
        events = f"/api/v1/namespaces/{shop.namespace}/events?fieldSelector=involvedObject.name={holders[0].name}"
        shop.plane.wait_until(
            lambda: (
                [one["reason"] for one in shop.plane.admin.get(events).document["items"]] == ["CertificatesRevoked"]
            ),
            "an Event says so",
        )

    def test_deleted_namespace_takes_its_pods_with_it(self, shop: Shop) -> None:
        namespace = shop.new_namespace()
        holder, other = shop.enroll(shop.new_pod(namespace=namespace)), shop.enroll(shop.new_pod())

        shop.end_namespace(namespace)

        shop.await_revoked(holder)
        assert not shop.is_revoked(other)

    def test_api_server_restarted_goes_on(self, shop: Shop) -> None:
        holder, other = shop.enroll(shop.new_pod()), shop.enroll(shop.new_pod())
        shop.plane.api_server.kill()
        shop.plane.start_api_server()

        shop.delete("pods", holder.name)

        shop.await_revoked(holder)
        assert not shop.is_revoked(other)


def test_registrar_killed_before_it_could_release_is_made_up_for_by_the_next(shop: Shop) -> None:
    holder, other = shop.enroll(shop.new_pod()), shop.enroll(shop.new_pod())
    command = [sys.executable, "-m", "tests.kube.pods.registrar"]
    command += [str(shop.registrar_kubeconfig), shop.namespace, shop.target, str(shop.registrar_identity)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as doomed:
        patience = threading.Timer(60, doomed.kill)
        patience.start()
        try:
            assert doomed.stdout is not None
            assert doomed.stdout.readline() == "leading\n"
            shop.delete("pods", holder.name)
            assert f"releasing {holder.uid}\n" in doomed.stdout
        finally:
            patience.cancel()
            doomed.kill()
    assert not shop.is_revoked(holder)

    with running_registrar(shop.registrar_kubeconfig, shop.namespace, shop.target, shop.registrar_identity):
        shop.await_revoked(holder)

    assert not shop.is_revoked(other)


def test_authority_away_for_a_while_loses_nothing(control_plane: ControlPlane, tmp_path: Path) -> None:
    with make_shop(control_plane, tmp_path) as shop:
        holder, other = shop.enroll(shop.new_pod()), shop.enroll(shop.new_pod())
        identity, kubeconfig = shop.registrar_identity, shop.registrar_kubeconfig
    with running_registrar(kubeconfig, shop.namespace, shop.target, identity):
        shop.delete("pods", holder.name)
        late = shop.new_pod(labels=LABELS)
        shop.new_service()
        with shop.open_authority():
            shop.await_revoked(holder)
            shop.plane.wait_until(lambda: shop.registered_names(late["metadata"]["uid"]), "names are registered")
            assert not shop.is_revoked(other)
