"""Our server answers as kube-apiserver does: the same requests, played to both, and nothing that a client could notice.

- What differs on purpose is not in the scripts; docs/conformance.md has it, and `test_differences.py` holds it.
"""

import pytest

from tests.apiserver.upstream.changing import CHANGES
from tests.apiserver.upstream.reading import READS
from tests.apiserver.upstream.writing import WRITES
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES

SCRIPTS = (*WRITES, *CHANGES, *READS)


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.__name__ for script in SCRIPTS])
def test_answers_are_those_of_kube_apiserver(compare, script):
    found = compare(script)

    assert not found, "\n" + "\n".join(found)
