"""Label selectors (metav1.LabelSelector): whether labels meet one, and labels that do."""

from kube.documents import JsonObject, objects, sequence, text, texts


def meets(selector: JsonObject, labels: dict[str, str]) -> bool:
    """An empty selector is met by everything. What is not understood is met by nothing."""
    wanted = texts(selector, "matchLabels")
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(one, labels) for one in objects(selector, "matchExpressions"))


def labels_for(selector: JsonObject) -> dict[str, str] | None:
    """Some labels that meet it; None where none were found."""
    labels = texts(selector, "matchLabels")
    for one in objects(selector, "matchExpressions"):
        values = [value for value in sequence(one, "values") if isinstance(value, str)]
        if text(one, "operator") == "In" and values:
            labels.setdefault(text(one, "key"), values[0])
        elif text(one, "operator") == "Exists":
            labels.setdefault(text(one, "key"), "true")
    return labels if meets(selector, labels) else None


def _holds(expression: JsonObject, labels: dict[str, str]) -> bool:
    key, values = text(expression, "key"), sequence(expression, "values")
    match text(expression, "operator"):
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False
