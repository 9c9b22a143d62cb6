"""What the API server says of an APIService: its condition Available."""

from kube.diagnosis.reaching import Word
from kube.documents import JsonObject, objects, text


def word_of(document: JsonObject) -> Word | None:
    """None before there is one."""
    for condition in objects(document, "status", "conditions"):
        if text(condition, "type") == "Available":
            return Word(
                holds=text(condition, "status") == "True",
                reason=text(condition, "reason"),
                message=text(condition, "message"),
            )
    return None
