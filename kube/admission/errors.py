"""Why a review is not answered by a patch.

AdmissionError
├── ReviewUnreadable        the caller's: no AdmissionReview that can be answered
│   └── ReviewVersionUnknown
├── InjectionRefused        the pod owner's: every fault of the pod, each with its reason and field
└── FeaturesUnknown         ours, and passing: the cluster was not asked yet what it can do

- None of them leaves the process: each is an answer to the API server.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class AdmissionError(Exception):
    """The root. `reason` is stable (AIP-193)."""

    reason: ClassVar[str] = "ADMISSION_FAILED"


class ReviewUnreadable(AdmissionError):
    reason = "REVIEW_UNREADABLE"


class ReviewVersionUnknown(ReviewUnreadable):
    reason = "REVIEW_VERSION_UNKNOWN"


class FeaturesUnknown(AdmissionError):
    reason = "FEATURES_UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`reason` is stable, `field` is where in the pod, `message` says what to do about it."""

    reason: str
    field: str
    message: str


class InjectionRefused(AdmissionError):
    reason = "INJECTION_REFUSED"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = tuple(faults)
