"""The version of this program and of what it stands on."""

import platform
from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "chancery"


def program_version() -> str:
    """As the package says; `unknown` where the code runs without being installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"


def version_text() -> str:
    """One line."""
    return f"ca-cli {program_version()} (Python {platform.python_version()})"


def component_versions() -> dict[str, str]:
    """Versions that a report of a defect should name."""
    return {
        "ca-cli": program_version(),
        "python": platform.python_version(),
        **{package: version(package) for package in ("cryptography", "grpcio", "click", "sqlalchemy")},
    }
