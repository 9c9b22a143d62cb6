"""Names that users and the registrar write into the cluster."""

from kube.documents import JsonObject, texts

INJECT = "chancery.dev/inject"
"""`"true"` on what is to have the trust bundle: namespaces, pods, webhook configurations, APIServices, CRDs."""

PUBLISHED_BY = "chancery.dev/published-by"
REGISTRAR = "registrar"
"""The label on what was published; without it nothing is ours to change."""

LIVE = "chancery.dev/live"
"""`"true"` on the ClusterTrustBundles that pods are to trust."""

FIRST_GENERATION = "chancery.dev/first-generation"
"""The annotation that tells which generation an object was made with."""

OPTED_IN = {"labelSelector": f"{INJECT}=true"}


def is_ours(document: JsonObject) -> bool:
    """Whether the registrar published it."""
    return texts(document, "metadata", "labels").get(PUBLISHED_BY) == REGISTRAR
