"""Why a bundle is not published.

BundleInvalid
├── BundleEmpty    BundleMalformed    BundleTooLarge
└── NotACa    RootTwice
"""

from typing import ClassVar


class BundleInvalid(Exception):
    """The root. `reason` is stable."""

    reason: ClassVar[str] = "BUNDLE_INVALID"


class BundleEmpty(BundleInvalid):
    reason = "BUNDLE_EMPTY"


class BundleMalformed(BundleInvalid):
    reason = "BUNDLE_MALFORMED"


class BundleTooLarge(BundleInvalid):
    reason = "BUNDLE_TOO_LARGE"


class NotACa(BundleInvalid):
    reason = "NOT_A_CA"


class RootTwice(BundleInvalid):
    reason = "ROOT_TWICE"
