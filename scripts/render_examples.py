"""Renders the chart to docs/examples/chancery.yaml, and its scenarios to tests/charts/golden: python scripts/render_examples.py.

- With the `helm` that `scripts/build_helm.sh` has built, or else the one in the path. Without any it says so and changes nothing.
- What the chart makes of its defaults is written, after the namespace that `helm install --create-namespace` would make; what
  `helm test` runs is left out.
- Scenarios are rendered for a cluster that knows Prometheus' kinds, with what `helm test` runs. The defaults' is the example.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "examples" / "chancery.yaml"
SCENARIOS = ROOT / "charts" / "chancery" / "ci"
GOLDEN = ROOT / "tests" / "charts" / "golden"
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


def golden_files() -> dict[Path, Path]:
    """Renders to the scenarios that they are of."""
    suffix = "-values.yaml"
    scenarios = {path.name.removesuffix(suffix): path for path in sorted(SCENARIOS.glob(f"*{suffix}"))}
    return {GOLDEN / f"{name}.yaml": path for name, path in scenarios.items() if name != "default"}


def golden(helm: Path, scenario: Path) -> str:
    return _template(helm, *ARGUMENTS[:-1], f"--values={scenario}", "--api-versions=monitoring.coreos.com/v1")


def _template(helm: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own arguments, no shell
        [helm, *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def rendered(helm: Path) -> str:
    objects = [
        each
        for each in f"\n{_template(helm, *ARGUMENTS)}".split("\n---\n")
        if each.strip() and "helm.sh/hook:" not in each
    ]
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
        kept = " and ".join(str(path.relative_to(ROOT)) for path in (EXAMPLE, GOLDEN))
        print(f"no helm: {kept} stay as they are; run scripts/build_helm.sh", file=sys.stderr)  # noqa: T201 - what make shows
    else:
        EXAMPLE.write_text(rendered(program))
        GOLDEN.mkdir(exist_ok=True)
        for stale in set(GOLDEN.glob("*.yaml")) - golden_files().keys():
            stale.unlink()
        for file, scenario in golden_files().items():
            file.write_text(golden(program, scenario))
