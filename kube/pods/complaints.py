"""What the owner of a pod is told about the DNS names that it does not get."""

from kube.pods.names import MAX_DNS_NAMES, PodNames
from kube.vocabulary import DNS_ANNOTATION

_SHOWN = 5


def complaint_about(names: PodNames) -> str:
    """Empty where there is nothing to say."""
    if names.refused:
        refused = _list(names.refused)
        other = f"it may have {_list(names.allowed)}" if names.allowed else "it has none of those that it asks for"
        return (
            f"{DNS_ANNOTATION} asks for {refused}: no Service of the namespace that selects the pod has such a name, "
            f"written in full, as in web.shop.svc; {other}"
        )
    if names.omitted:
        return (
            f"Services give the pod at least {names.omitted} names more than the {MAX_DNS_NAMES} that a certificate has room for; "
            f"choose by {DNS_ANNOTATION}"
        )
    return ""


def _list(names: tuple[str, ...]) -> str:
    more = len(names) - _SHOWN
    shown = ", ".join(name[:253] for name in names[:_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown
