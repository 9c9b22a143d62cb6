"""Who may read the key that an agent writes, and what makes it so.

- The key belongs to the agent's user. A container that runs as another one reads it by its group, which is the pod's fsGroup: the
  volume hands its group on to what is written in it.
- An fsGroup is added only where no volume of the pod is kept: a kubelet would give those files to the group, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from kube.admission.pods import Container, Pod
from kube.admission.settings import Injection
from kube.admission.wishes import DEFAULT_KEY_MODE, Wishes
from kube.documents import JsonObject
from kube.vocabulary import annotation

_BY_GROUP, _BY_ALL = 0o040, 0o004
_FS_GROUP = 65532


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReaders:
    """What to add to the pod's security context, and what its owner should know."""

    security_context: JsonObject = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def key_readers(
    pod: Pod, users: Sequence[Container], *, agent_user: int | None, wishes: Wishes, injection: Injection
) -> KeyReaders:
    """`users` are the containers that get the files."""
    key_mode = DEFAULT_KEY_MODE if wishes.key_mode is None else wishes.key_mode
    strangers = [container.name for container in users if not _is_agents(pod.user_of(container), agent_user, injection)]
    if not strangers or key_mode & _BY_ALL:
        return KeyReaders()
    if not key_mode & _BY_GROUP:
        return _warned(strangers, f"{annotation('key-mode')} {key_mode:04o} lets the agent's user alone read the key")
    if pod.fs_group is not None:
        return KeyReaders()
    if pod.keeps_files:
        return _warned(
            strangers,
            f'the pod keeps files, so no fsGroup is added: set one, or runAsUser, or {annotation("key-mode")}: "0444"',
        )
    if injection.agent_user is None:
        return _warned(strangers, "set the pod's fsGroup, or one runAsUser for all containers")
    return KeyReaders(security_context={"fsGroup": _FS_GROUP, "fsGroupChangePolicy": "OnRootMismatch"})


def _is_agents(user: int | None, agent_user: int | None, injection: Injection) -> bool:
    """Where the cluster chooses users it gives all containers of a pod the same."""
    return user == agent_user and (user is not None or injection.agent_user is None)


def _warned(strangers: Sequence[str], why: str) -> KeyReaders:
    return KeyReaders(warnings=(f"{', '.join(strangers[:3])} may not be able to read the key: {why}",))
