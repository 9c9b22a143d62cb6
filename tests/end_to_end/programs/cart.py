"""A user's client in a labelled pod: one mTLS call after the other, a line for each, and one report to the cluster's API."""

import contextlib
import http.client
import json
import os
import ssl
import time
from pathlib import Path

from agent.tls import FollowedIdentity

DIRECTORY = Path("/var/run/secrets/chancery.dev/tls")
TOKEN_DIRECTORY = Path("/var/run/secrets/kubernetes.io/serviceaccount")
REPORTS = "/apis/wgpolicyk8s.io/v1alpha2/namespaces/shop/policyreports"


def call(identity: FollowedIdentity) -> str:
    connection = http.client.HTTPSConnection("things.shop.svc", 8444, context=identity.client_context(), timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        return str(json.loads(connection.getresponse().read())["caller"])


def report() -> int:
    document = {
        "apiVersion": "wgpolicyk8s.io/v1alpha2",
        "kind": "PolicyReport",
        "metadata": {"name": "of-a-pod", "namespace": "shop"},
        "results": [{"policy": "p", "result": "pass"}],
    }
    context = ssl.create_default_context(cafile=str(TOKEN_DIRECTORY / "ca.crt"))
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"])
    connection = http.client.HTTPSConnection(host, port, context=context, timeout=10)
    headers = {
        "Authorization": f"Bearer {(TOKEN_DIRECTORY / 'token').read_text()}",
        "Content-Type": "application/json",
    }
    with contextlib.closing(connection):
        connection.request("POST", REPORTS, json.dumps(document), headers)
        return connection.getresponse().status


followed = FollowedIdentity(DIRECTORY)
print("report", report(), flush=True)
while True:
    try:
        print("called", call(followed), flush=True)
    except (OSError, http.client.HTTPException) as err:
        print("failed", f"{time.time():.3f}", repr(err), flush=True)
    time.sleep(0.1)
