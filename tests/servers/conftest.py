"""The servers that these tests try out."""

from tests.servers.kubernetes.fixtures import control_plane, controlled_cluster  # noqa: F401 - fixtures
