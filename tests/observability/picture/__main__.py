"""Draws docs/images anew, from a release of the chart that is in use for some minutes: `make picture`.

It needs what the tests of the whole chart need, and Prometheus, npm, Node (20.11 or newer) and Chromium.
"""

import argparse
import json
import tempfile
from pathlib import Path

from tests.end_to_end.conftest import cluster_for
from tests.observability.picture.pictures import draw
from tests.observability.picture.recording import record

_VALUES = {
    "ca": {"settings": {"rotation_settle": "25s"}},
    "controller": {
        "replicaCount": 2,
        "settings": {
            "trust_interval": "5s",
            "ca_bundle_propagation": "5s",
            "config_map_propagation": "10s",
            "cluster_trust_bundle_propagation": "10s",
        },
    },
}
"""Rotations that are over in minutes."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.observability.picture", description=__doc__)
    parser.add_argument("--seconds", type=float, default=660, help="how long is recorded")
    parser.add_argument("--recording", type=Path, help="where the recording is kept; drawn, if it is there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        recording = asked.recording or Path(directory) / "recording.json"
        if not recording.exists():
            with cluster_for(_VALUES) as release:
                recording.write_text(json.dumps(record(release, asked.seconds)))
        draw(recording)


main()
