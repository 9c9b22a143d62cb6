"""Who asks and what for (k8s.io/apiserver: user.Info, authorizer.Attributes)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

ANONYMOUS = "system:anonymous"
UNAUTHENTICATED_GROUP = "system:unauthenticated"
AUTHENTICATED_GROUP = "system:authenticated"
MASTERS_GROUP = "system:masters"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An identity as it was proven. `extra` keys are lower case."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_utf8(self) -> bool:
        """Octets of a header that are no UTF-8 arrive as lone surrogates, which no JSON can say."""
        texts = [self.name, self.uid, *self.groups, *self.extra, *chain.from_iterable(self.extra.values())]
        try:
            "".join(texts).encode()
        except UnicodeEncodeError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectorRequirement:
    """One requirement of a label or field selector; `operator` is In, NotIn, Exists or DoesNotExist; of labels Gt and Lt, too."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What is asked for. With `resource` "" it is `path`, and `verb` is the method in lower case."""

    verb: str
    path: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    label_requirements: tuple[SelectorRequirement, ...] = ()
    field_requirements: tuple[SelectorRequirement, ...] = ()
