"""Renders docs/examples/chancery.yaml from the chart: python scripts/render_examples.py.

- With the `helm` that `scripts/build_helm.sh` has built, or else the one in the path. Without any it says so and changes nothing.
- What the chart makes of its defaults is written, after the namespace that `helm install --create-namespace` would make; what
  `helm test` runs is left out.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "examples" / "chancery.yaml"
ARGUMENTS = (
    "template",
    "chancery",
    "charts/chancery",
    "--namespace=chancery",
    "--set=image.registry=registry.example.com",
)
PREAMBLE = """\
# What the chart renders with its defaults, for those who apply manifests: kubectl apply -f docs/examples/chancery.yaml
# Written by `make docs`. Change the image's registry; for everything else, render the chart with values of your own.
apiVersion: v1
kind: Namespace
metadata:
  name: chancery
"""


def rendered(helm: Path) -> str:
    done = subprocess.run(  # noqa: S603 - our own arguments, no shell
        [helm, *ARGUMENTS], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    objects = [each for each in f"\n{done.stdout}".split("\n---\n") if each.strip() and "helm.sh/hook:" not in each]
    return "\n---\n".join([PREAMBLE.rstrip(), *(each.strip() for each in objects)]) + "\n"


def find_helm() -> Path | None:
    sys.path.insert(0, str(ROOT))
    from tests.servers.helm.programs import MAJORS, find_helm  # noqa: PLC0415 - of the tests, which may lack

    built = find_helm(MAJORS[0], os.environ)  # noqa: TID251 - a script's own surroundings
    if built.is_there:
        return built.path
    in_path = shutil.which("helm")
    return Path(in_path) if in_path else None


if __name__ == "__main__":
    program = find_helm()
    if program is None:
        print(f"no helm: {EXAMPLE.relative_to(ROOT)} stays as it is; run scripts/build_helm.sh", file=sys.stderr)  # noqa: T201 - what make shows
    else:
        EXAMPLE.write_text(rendered(program))
