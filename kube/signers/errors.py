"""What can go wrong in a signer, beside what `ca.client.errors` has for calls to the authority.

SignerError
├── IssuerInvalid     an issuer's spec makes no sense: its Ready condition says where, and its requests wait
├── OrderRefused      the authority will not sign it, now or later: the request fails, with this reason
└── AnswerUnfit       what came back is not what was ordered; nothing is written. Worth another try, with backoff
"""

from kube.errors import KubeError, Retryable


class SignerError(KubeError):
    reason = "SIGNER_ERROR"


class IssuerInvalid(SignerError):
    reason = "ISSUER_INVALID"


class OrderRefused(SignerError):
    """`condition_reason` is in UpperCamelCase."""

    reason = "ORDER_REFUSED"

    def __init__(self, message: str, *, condition_reason: str) -> None:
        super().__init__(message)
        self.condition_reason = condition_reason


class AnswerUnfit(SignerError, Retryable):
    reason = "ANSWER_UNFIT"
