"""How the registrar marks what it publishes."""

from kube.documents import JsonObject, texts
from kube.vocabulary import DOMAIN

PUBLISHED_BY = f"{DOMAIN}/published-by"
REGISTRAR = "registrar"
"""The label on what was published; without it nothing is ours to change."""

FIRST_GENERATION = f"{DOMAIN}/first-generation"
"""The annotation that tells which generation an object was made with."""


def is_ours(document: JsonObject) -> bool:
    """Whether the registrar published it."""
    return texts(document, "metadata", "labels").get(PUBLISHED_BY) == REGISTRAR
