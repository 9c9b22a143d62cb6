"""What `ca-cli apiserver` can be told: every setting with its unit, its default and what follows from it.

- Names are kube-apiserver's where it has the setting, so that flags of other API servers mean the same here.
- Frozen: what a process was started with is what it runs with. Certificates and trusted CAs are re-read while it runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from apiserver.errors import ApiSettingsInvalid
from apiserver.kinds.body_limits import BodyLimits
from apiserver.kinds.named_limits import KIND_MAX_REQUESTS_INFLIGHT, read_requests
from serving.log_settings import LogSettings
from serving.settings import build, setting


class TlsVersion(StrEnum):
    """As kube-apiserver writes them."""

    TLS_1_2 = "VersionTLS12"
    TLS_1_3 = "VersionTLS13"


class AuditLogMode(StrEnum):
    """Whether a request waits for its audit event to be written."""

    BATCH = "batch"
    BLOCKING = "blocking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """What is served and where it is kept."""

    kinds: tuple[str, ...] = setting(
        (), "Files or directories of CustomResourceDefinitions to serve beside the built-in kinds."
    )
    builtin_kinds: bool = setting(True, "Serve the kinds that come with the program (flunders, policy reports).")
    data_directory: Path = setting(
        Path("~/.chancery/apiserver"), "Directory of the embedded database and of large bodies; mode 0700."
    )
    database: str = setting(
        "", "Database URL: sqlite:///PATH or postgresql://…. Empty: apiserver.db in the data directory."
    )
    history_retention: timedelta = setting(
        timedelta(minutes=5),
        "How long every version is kept: a watch that comes back later than that, or a list paged slower, starts over (410).",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Where the process listens, and with which certificate."""

    bind_address: str = setting("127.0.0.1", "Address to listen on; `0.0.0.0` or `::` for all.")
    secure_port: int = setting(8443, "HTTPS port. 0: any free port.")
    tls_cert_file: Path | None = setting(
        None,
        "Serving certificate with its chain, PEM; re-read when it changes. Empty: from the authority that --identity belongs to, "
        "renewed in memory; without one, a self-signed certificate in the data directory.",
    )
    tls_private_key_file: Path | None = setting(None, "Key of the serving certificate, PEM.")
    tls_min_version: TlsVersion = setting(TlsVersion.TLS_1_3, "Oldest TLS version that is spoken.")
    serving_names: tuple[str, ...] = setting(
        (), "DNS names and addresses of a serving certificate that is asked for, beside localhost and loopback."
    )
    serving_lifetime: timedelta = setting(
        timedelta(0),
        "Lifetime of a serving certificate that is asked for, as far as policy allows it. 0s: the authority's default.",
    )
    shutdown_delay_duration: timedelta = setting(
        timedelta(0), "How long to go on serving, not ready any more, once the process is told to stop."
    )
    shutdown_grace: timedelta = setting(timedelta(seconds=10), "How long requests under way may take after that.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Who is believed to be who."""

    client_ca_file: Path | None = setting(
        None,
        "CAs of client certificates (CN is the user, O its groups), PEM; re-read when it changes. Empty: the cluster's, or the "
        "authority's roots.",
    )
    requestheader_client_ca_file: Path | None = setting(
        None, "CAs of the front proxy's certificate, whose X-Remote-* headers are believed. Empty: the cluster's."
    )
    requestheader_allowed_names: tuple[str, ...] = setting(
        (), "Common names that the front proxy may have. Empty: any, or the cluster's."
    )
    requestheader_username_headers: tuple[str, ...] = setting(("X-Remote-User",), "Headers that name the user.")
    requestheader_uid_headers: tuple[str, ...] = setting(("X-Remote-Uid",), "Headers that hold the user's UID.")
    requestheader_group_headers: tuple[str, ...] = setting(("X-Remote-Group",), "Headers that name groups.")
    requestheader_extra_headers_prefix: tuple[str, ...] = setting(
        ("X-Remote-Extra-",), "Beginnings of headers that hold extra attributes."
    )
    anonymous_auth: bool = setting(
        True, "Let callers without credentials reach health checks. They reach nothing else, whatever the cluster says."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """The cluster that is asked who may do what."""

    kubeconfig: Path | None = setting(
        None, "Kubeconfig of the API server to delegate to. Empty: the service account of the pod that this runs in."
    )
    authorization_skip_lookup: bool = setting(
        False, "Ask no cluster, stand alone: only members of system:masters get in."
    )
    authorization_always_allow_paths: tuple[str, ...] = setting(
        (), "Paths open to everybody, beside /healthz, /livez and /readyz; `*` at the end stands for anything."
    )
    authentication_token_webhook_cache_ttl: timedelta = setting(
        timedelta(seconds=10), "How long an answer about a token is remembered."
    )
    authorization_webhook_cache_authorized_ttl: timedelta = setting(
        timedelta(seconds=10), "How long a permission is remembered."
    )
    authorization_webhook_cache_unauthorized_ttl: timedelta = setting(
        timedelta(seconds=10), "How long a refusal is remembered."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the server lets itself be asked at once."""

    max_requests_inflight: int = setting(400, "Requests under way that read; more are told to come back (429).")
    max_mutating_requests_inflight: int = setting(200, "Requests under way that write; more are told to come back.")
    max_body_octets_inflight: int = setting(
        256 << 20, "Octets of request bodies in memory at once; whoever would go beyond is told to come back."
    )
    kind_max_requests_inflight: tuple[str, ...] = setting(
        (),
        "Requests under way by kind, reads and writes of all callers together; more are told to come back: PLURAL.GROUP=NUMBER, as "
        "in policyreports.wgpolicyk8s.io=20. Watches, and members of system:masters, do not count.",
    )
    max_body: str = setting(
        "3Mi", "Largest request body (413 beyond) of kinds whose manifest says none, as a quantity; 1Gi at most."
    )
    kind_max_body: tuple[str, ...] = setting(
        (),
        "Largest request body by kind, whatever its manifest says: PLURAL.GROUP=QUANTITY, as in "
        "policyreports.wgpolicyk8s.io=20Mi.",
    )
    request_timeout: timedelta = setting(timedelta(seconds=60), "Longest time for a request that is no watch.")
    min_request_timeout: timedelta = setting(
        timedelta(minutes=30), "Shortest time that a watch lives, if it asks for none; at most twice as long."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditing:
    """What is written down about requests."""

    audit_policy_file: Path | None = setting(
        None, "Policy (audit.k8s.io/v1) of what is recorded. Empty: who did what, without bodies; no health checks."
    )
    audit_log_path: str = setting(
        "", "File of audit events, a JSON line each; `-` for standard output. Empty: audit.log in the data directory."
    )
    audit_log_maxsize: int = setting(100, "Megabytes after which the file is put aside.")
    audit_log_maxbackup: int = setting(10, "How many files that were put aside are kept.")
    audit_log_mode: AuditLogMode = setting(
        AuditLogMode.BATCH, "`blocking`: a request is answered once its event is written."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Observability(LogSettings):
    profiling: bool = setting(True, "Serve /debug/pprof/ to those who may.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServerSettings:
    objects: Objects = field(default_factory=Objects)
    serving: Serving = field(default_factory=Serving)
    trust: Trust = field(default_factory=Trust)
    delegation: Delegation = field(default_factory=Delegation)
    limits: Limits = field(default_factory=Limits)
    auditing: Auditing = field(default_factory=Auditing)
    observability: Observability = field(default_factory=Observability)

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> "ApiServerSettings":
        """Builds settings from flat names to values, text or already typed. Raises ApiSettingsInvalid with all faults."""
        settings, faults = build(cls, values)
        faults += _contradictions(settings)
        if faults:
            raise ApiSettingsInvalid(faults)
        return settings

    @property
    def data_directory(self) -> Path:
        return self.objects.data_directory.expanduser().absolute()

    @property
    def database_url(self) -> str:
        return self.objects.database or f"sqlite:///{self.data_directory / 'apiserver.db'}"

    @property
    def request_limits(self) -> Mapping[str, int]:
        """Requests under way by resource, `<plural>.<group>`."""
        return _request_limits(self.limits)[0]

    @property
    def body_limits(self) -> BodyLimits:
        return _body_limits(self.limits)[0]

    @property
    def audit_log(self) -> str:
        return self.auditing.audit_log_path or str(self.data_directory / "audit.log")


def _request_limits(limits: Limits) -> tuple[Mapping[str, int], list[str]]:
    most = max(limits.max_requests_inflight, limits.max_mutating_requests_inflight)
    return read_requests(KIND_MAX_REQUESTS_INFLIGHT, limits.kind_max_requests_inflight, most=most)


def _body_limits(limits: Limits) -> tuple[BodyLimits, list[str]]:
    largest = limits.max_body_octets_inflight - limits.max_body_octets_inflight // 4
    return BodyLimits.parse(limits.max_body, limits.kind_max_body, largest=largest)


def _contradictions(settings: ApiServerSettings) -> list[str]:
    """What no single setting shows."""
    serving, trust, limits, objects = settings.serving, settings.trust, settings.limits, settings.objects
    delegation = settings.delegation
    checks = (
        (serving.secure_port > 65535, f"secure_port: {serving.secure_port} is out of range"),
        (
            (serving.tls_cert_file is None) != (serving.tls_private_key_file is None),
            "tls_cert_file and tls_private_key_file belong together; give both or none",
        ),
        (
            bool(trust.requestheader_allowed_names) and trust.requestheader_client_ca_file is None,
            "requestheader_allowed_names: says nothing without requestheader_client_ca_file",
        ),
        (
            delegation.kubeconfig is not None and delegation.authorization_skip_lookup,
            "kubeconfig and authorization_skip_lookup contradict each other; give one of them",
        ),
        (
            objects.history_retention < timedelta(seconds=75),
            "history_retention: must be at least 75s, or watches could not come back after a short break",
        ),
        (
            not objects.builtin_kinds and not objects.kinds,
            "builtin_kinds is off and kinds is empty: there would be nothing to serve",
        ),
        (limits.max_requests_inflight < 1, "max_requests_inflight: must be at least 1"),
        (limits.max_mutating_requests_inflight < 1, "max_mutating_requests_inflight: must be at least 1"),
        (limits.max_body_octets_inflight < 1 << 20, "max_body_octets_inflight: must be at least 1048576"),
        (limits.request_timeout < timedelta(seconds=1), "request_timeout: must be at least one second"),
    )
    return [
        *(fault for wrong, fault in checks if wrong),
        *_body_limits(limits)[1],
        *_request_limits(limits)[1],
        *settings.observability.log_faults(),
    ]
