"""The servers and offices of the authority's own tests, for those who attack them."""

from tests.ca.conftest import founded_directory, office, own_server, premises, server

__all__ = ["founded_directory", "office", "own_server", "premises", "server"]
