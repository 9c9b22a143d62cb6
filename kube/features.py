"""Which controllers a process has: the one place where they are put together."""

from collections.abc import Sequence

from kube.controllers import Controller
from kube.pods.making import pod_controllers
from kube.process import Parts
from kube.signers.making import signing_controllers
from kube.trust.making import trust_controllers


def make_controllers(parts: Parts) -> Sequence[Controller]:
    """Those whose feature is on."""
    return (*signing_controllers(parts), *trust_controllers(parts), *pod_controllers(parts))
