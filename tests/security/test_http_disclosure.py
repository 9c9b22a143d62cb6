"""What an answer tells of the software behind it."""

import ssl
import urllib.request

from tests.ca.server import RunningServer


def test_server_header_names_no_versions(server: RunningServer) -> None:
    context = ssl.create_default_context(cadata=server.administrator.roots.decode())

    with urllib.request.urlopen(f"{server.url}/livez", context=context, timeout=60) as answer:
        assert answer.headers["Server"] == "chancery"
