"""What is called what in a pod that has an identity, and where it lies."""

from enum import StrEnum

from kube.vocabulary import DOMAIN

STATUS_PREFIX = "v1-"
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"

IDENTITY_VOLUME = "chancery-identity"
BOOTSTRAP_VOLUME = "chancery-bootstrap"
AGENT_CONTAINER = "chancery-agent"
FIRST_CONTAINER = "chancery-agent-init"

IDENTITY_DIRECTORY = f"/var/run/secrets/{DOMAIN}/tls"
BOOTSTRAP_DIRECTORY = f"/var/run/secrets/{DOMAIN}/bootstrap"
"""Where `ca-cli agent` looks by default."""


class Mode(StrEnum):
    """How a pod comes by its certificate."""

    POD_CERTIFICATE = "podCertificate"
    SIDECAR = "sidecar"
    INIT = "init"
