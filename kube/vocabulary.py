"""What has a name in the domain `chancery.dev`: labels and annotations that users and the registrar write, and signers."""

from enum import StrEnum

DOMAIN = "chancery.dev"

INJECT_LABEL = f"{DOMAIN}/inject"
"""`true` on a pod or a namespace asks for an identity, on webhook configurations, APIServices and CRDs for the trust bundle;
`false` on a pod does without its namespace's."""

OPTED_IN = {"labelSelector": f"{INJECT_LABEL}=true"}

LIVE_LABEL = f"{DOMAIN}/live"
"""`true` on the ClusterTrustBundles that pods are to trust."""

INJECTED_ANNOTATION = f"{DOMAIN}/injected"
"""On a pod that has its identity from the injector: version and mode."""

DNS_ANNOTATION = f"{DOMAIN}/dns"
DURATION_ANNOTATION = f"{DOMAIN}/duration"


class Signer(StrEnum):
    """Names of signers (certificates.k8s.io `spec.signerName`). docs/signers.md says what each stands for."""

    WORKLOAD = f"{DOMAIN}/workload"
    SERVING = f"{DOMAIN}/serving"
    CLIENT = f"{DOMAIN}/client"


def annotation(name: str) -> str:
    return f"{DOMAIN}/{name}"
