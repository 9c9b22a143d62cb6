"""What has to be in the cluster beside the controller, as data: the admission policy, the issuers' definitions, the rights.

- The chart renders the same files; nothing here is written into the cluster by the controller.
"""

from functools import cache
from importlib.resources import files

import yaml

from kube.documents import JsonObject

ADMISSION_POLICY = "admission-policy.yaml"
ISSUERS = "issuers.yaml"
RBAC = "rbac.yaml"


@cache
def read_manifests(name: str) -> tuple[JsonObject, ...]:
    """The documents of one of the files named above. Shared: not to be changed."""
    octets = files("kube.signers").joinpath("manifests", name).read_text(encoding="utf-8")
    return tuple(yaml.safe_load_all(octets))
