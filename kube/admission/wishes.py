"""What a pod's annotations ask for: read once, every fault found.

- A value is taken as it is or refused with the reason; none is corrected, none is passed on unread.
"""

import re
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from agent.formats import Format, parse_formats
from agent.pod_processes import is_container_name
from agent.reload import RequestHook
from certs.errors import CertsError
from certs.lifetimes import parse_lifetime
from certs.names import parse_dns_name
from kube.admission.errors import Fault
from kube.admission.names import BOOTSTRAP_DIRECTORY, IDENTITY_DIRECTORY, Mode
from kube.pods.names import MAX_DNS_NAMES, asked_names
from kube.service_names import NameForms
from kube.vocabulary import DOMAIN, INJECTED_ANNOTATION, annotation

SHORTEST_DURATION = timedelta(minutes=5)
LONGEST_DURATION = timedelta(days=90)
DEFAULT_KEY_MODE = 0o440
DEFAULT_FORMATS = frozenset({Format.PEM, Format.BUNDLE})
KEY_MODES = (0o400, 0o440, 0o444, 0o600, 0o640)

NAMES = ("mode", "duration", "dns", "dir", "key-mode", "formats", "reload", "containers")

_LONGEST_DIRECTORY = 255
_LONGEST_SHOWN = 80
_DIRECTORY = re.compile(r"(?:/[A-Za-z0-9._-]+)+")
_FORBIDDEN_DIRECTORIES = ("/proc", "/sys", "/dev", "/etc", "/run", "/run/secrets", "/var/run", "/var/run/secrets")
_KUBELETS_OWN = ("/var/run/secrets/kubernetes.io", "/run/secrets/kubernetes.io")
"""The same directory in most images."""
_FORBIDDEN_TREES = (BOOTSTRAP_DIRECTORY, *_KUBELETS_OWN, "/proc", "/sys", "/dev")
_NEVER_SENT = frozenset({signal.SIGKILL, signal.SIGSTOP})
_KEY_MODES_TEXT = ", ".join(f"{mode:04o}" for mode in KEY_MODES)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalReload:
    """`signal_name` is without SIG."""

    signal_name: str
    container: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """None, or nothing, is what was not asked for."""

    mode: Mode | None = None
    duration: timedelta | None = None
    dns: tuple[str, ...] = ()
    directory: str = IDENTITY_DIRECTORY
    key_mode: int | None = None
    formats: frozenset[Format] = DEFAULT_FORMATS
    reload: SignalReload | str | None = None
    containers: frozenset[str] | None = None

    @classmethod
    def from_annotations(
        cls, annotations: Mapping[str, object], *, namespace: str, forms: NameForms
    ) -> "tuple[Wishes, list[Fault]]":
        """With faults, what they are about is as if it had not been asked for."""
        reading = _Reading(annotations)
        wishes = cls(
            mode=reading.value("mode", _parse_mode, None),
            duration=reading.value("duration", _parse_duration, None),
            dns=reading.value("dns", lambda value: _parse_dns(value, namespace, forms), ()),
            directory=reading.value("dir", _parse_directory, IDENTITY_DIRECTORY),
            key_mode=reading.value("key-mode", _parse_key_mode, None),
            formats=reading.value("formats", _parse_formats, DEFAULT_FORMATS),
            reload=reading.value("reload", _parse_reload, None),
            containers=reading.value("containers", _parse_containers, None),
        )
        return wishes, reading.faults

    @property
    def wants_of_agent(self) -> tuple[str, ...]:
        """The annotations that a certificate made by the kubelet cannot answer."""
        asked: dict[str, object] = {
            "dns": self.dns,
            "key-mode": self.key_mode is not None,
            "formats": self.formats - DEFAULT_FORMATS,
            "reload": self.reload,
            "duration": self.duration is not None and self.duration < timedelta(hours=1),
        }
        return tuple(name for name, is_asked in asked.items() if is_asked)


def unknown_annotations(annotations: Mapping[str, object]) -> Iterator[str]:
    """Of our domain, and not ours: written wrong, in all likelihood."""
    known = {INJECTED_ANNOTATION, *map(annotation, NAMES)}
    return (name for name in annotations if name.startswith(f"{DOMAIN}/") and name not in known)


def field_of(name: str) -> str:
    """Where an annotation stands, for a fault."""
    return f"metadata.annotations[{annotation(name)}]"


class _Reading:
    def __init__(self, annotations: Mapping[str, object]) -> None:
        self._annotations = annotations
        self.faults: list[Fault] = []

    def value(self, name: str, parse: Callable[[str], T], otherwise: T) -> T:
        value = self._annotations.get(annotation(name))
        if value is None:
            return otherwise
        try:
            if not isinstance(value, str):
                raise ValueError("an annotation is text")  # noqa: TRY004  a fault like the others
            return parse(value.strip())
        except (ValueError, CertsError) as err:
            shown = str(value)[:_LONGEST_SHOWN]
            message = f"{annotation(name)}: {shown!r}: {err}"
            self.faults.append(Fault(reason="ANNOTATION_INVALID", field=field_of(name), message=message))
            return otherwise


def _parse_mode(text: str) -> Mode:
    try:
        return Mode(text)
    except ValueError:
        raise ValueError(f"no such mode; choose from {', '.join(Mode)}") from None


def _parse_duration(text: str) -> timedelta:
    duration = parse_lifetime(text)
    if not SHORTEST_DURATION <= duration <= LONGEST_DURATION:
        raise ValueError("a certificate lives from 5m to 90d")
    return duration


def _parse_dns(text: str, namespace: str, forms: NameForms) -> tuple[str, ...]:
    """What the registrar can register for a pod of the namespace; an agent waits for anything else in vain."""
    names = tuple(dict.fromkeys(parse_dns_name(name) for name in asked_names(text)))
    if len(names) > MAX_DNS_NAMES:
        raise ValueError(f"at most {MAX_DNS_NAMES} names")
    for name in names:
        found = forms.read(name)
        if found is None or found.namespace != namespace:
            raise ValueError(f"{name} is no name of a Service in the pod's namespace; write SERVICE.{namespace}.svc")
    return names


def _parse_directory(text: str) -> str:
    steps = text.split("/")
    if _DIRECTORY.fullmatch(text) is None or {".", ".."} & set(steps) or len(text) > _LONGEST_DIRECTORY:
        raise ValueError("name an absolute directory, of letters, digits, '.', '_' and '-', without a / at its end")
    if text in _FORBIDDEN_DIRECTORIES or any(f"{text}/".startswith(f"{tree}/") for tree in _FORBIDDEN_TREES):
        raise ValueError("that directory has another use; choose one of its own")
    return text


def _parse_key_mode(text: str) -> int:
    mode = int(text, 8) if re.fullmatch(r"0?[0-7]{3}", text) else -1
    if mode not in KEY_MODES:
        raise ValueError(f"no mode of a key; choose from {_KEY_MODES_TEXT}")
    return mode


def _parse_formats(text: str) -> frozenset[Format]:
    try:
        return parse_formats(text)
    except ValueError:
        raise ValueError(f"choose from {', '.join(Format)}") from None


def _parse_reload(text: str) -> SignalReload | str | None:
    if text == "none":
        return None
    if text.startswith("http://"):
        RequestHook.from_url(text)
        return text
    kind, _, rest = text.partition(":")
    name, _, container = rest.partition(":")
    number = signal.Signals.__members__.get(f"SIG{name}")
    if kind != "signal" or number is None or number in _NEVER_SENT or not is_container_name(container):
        raise ValueError("write signal:HUP:CONTAINER, http://127.0.0.1:PORT/PATH or none")
    return SignalReload(signal_name=name, container=container)


def _parse_containers(text: str) -> frozenset[str]:
    names = _parts(text)
    if not names or not all(map(is_container_name, names)):
        raise ValueError("name containers of the pod, separated by commas")
    return frozenset(names)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
