"""The registrar of the tests of injection serves here as well."""

from tests.kube.injection.conftest import world  # noqa: F401 - a fixture
