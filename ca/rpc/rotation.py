"""Rotations as messages of the AdminService."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from google.protobuf.timestamp_pb2 import Timestamp

from ca.errors import RequestInvalid
from ca.rotation.keeper import RotationStatus
from ca.rpc.conversion import timestamp
from protos.chancery.ca.v1 import admin_service_pb2 as admin
from store.records import Haste, IssuerRequest, RotationKind, RotationRecord

_SHOWN_CONSUMERS = 100
_KINDS: dict[int, RotationKind] = {admin.ROTATION_KIND_ISSUER: "issuer", admin.ROTATION_KIND_ROOT: "root"}
_HASTES: dict[int, Haste] = {
    admin.ROTATION_HASTE_UNSPECIFIED: "due",
    admin.ROTATION_HASTE_DUE: "due",
    admin.ROTATION_HASTE_NOW: "now",
    admin.ROTATION_HASTE_EMERGENCY: "emergency",
}


def to_rotation_kind(kind: int) -> RotationKind:
    """Raises RequestInvalid."""
    try:
        return _KINDS[kind]
    except KeyError as err:
        raise RequestInvalid("say what to rotate: the issuer or the root", field="kind") from err


def to_haste(haste: int) -> Haste:
    """Raises RequestInvalid."""
    try:
        return _HASTES[haste]
    except KeyError as err:
        raise RequestInvalid("there is no such haste; take due, now or emergency", field="haste") from err


def from_rotation(rotation: RotationRecord) -> admin.Rotation:
    return admin.Rotation(
        id=rotation.id,
        kind=admin.RotationKind.Value(f"ROTATION_KIND_{rotation.kind.upper()}"),
        phase=admin.RotationPhase.Value(f"ROTATION_PHASE_{rotation.phase.upper()}"),
        haste=admin.RotationHaste.Value(f"ROTATION_HASTE_{rotation.haste.upper()}"),
        aborted=rotation.aborted,
        start_time=Timestamp(seconds=rotation.started_at),
        phase_start_time=Timestamp(seconds=rotation.entered_at),
        finish_time=None if rotation.finished_at is None else Timestamp(seconds=rotation.finished_at),
        incoming_ids=rotation.incoming,
        outgoing_ids=rotation.outgoing,
        generation=rotation.generation,
    )


def from_issuer_request(request: IssuerRequest) -> admin.CreateIssuerCsrResponse:
    parsed = x509.load_der_x509_csr(request.request)
    return admin.CreateIssuerCsrResponse(
        csr_pem=parsed.public_bytes(Encoding.PEM).decode(),
        subject=parsed.subject.rfc4514_string(),
        create_time=Timestamp(seconds=request.created_at),
    )


def rotation_status(status: RotationStatus) -> admin.GetRotationResponse:
    return admin.GetRotationResponse(
        rotation=None if status.rotation is None else from_rotation(status.rotation),
        waits=() if status.decision is None else status.decision.waits,
        consumers=[
            admin.TrustConsumer(
                name=one.name, held_generation=one.generation, report_time=Timestamp(seconds=one.reported_at)
            )
            for one in status.consumers[:_SHOWN_CONSUMERS]
        ],
        consumers_total=len(status.consumers),
        consumers_behind=sum(one.generation < status.generation for one in status.consumers),
        remaining_certificates=[
            admin.RemainingCertificate(
                id=one.id,
                subject=one.subject or one.names[0][1],
                requester=one.requester,
                not_after_time=Timestamp(seconds=one.not_after),
            )
            for one in status.observed.in_use
        ],
        generation=status.generation,
        issuer_due_time=timestamp(status.issuer_due),
        root_due_time=timestamp(status.root_due),
    )
