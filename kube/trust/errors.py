"""Why a bundle is not published.

KubeError
└── BundleInvalid
    ├── BundleEmpty    BundleMalformed    BundleTooLarge
    └── NotACa    RootTwice
"""

from kube.errors import KubeError


class BundleInvalid(KubeError):
    """`reason` is stable."""

    reason = "BUNDLE_INVALID"


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
