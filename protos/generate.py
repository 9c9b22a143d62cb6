"""Generates the Python code of every .proto beside it: `python -m protos.generate`.

- Output is deterministic, so that CI can compare it with what is committed.
- protoc writes `from chancery.ca.v1 import …`; the import is moved below `protos`, as that is where the code stands.
"""

import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

from google.rpc import status_pb2

ROOT = Path(__file__).parent
SOURCES = sorted([*ROOT.glob("chancery/**/*.proto"), *ROOT.glob("myca/*.proto")])


def generate(destination: Path = ROOT) -> None:
    """Writes `_pb2` modules, their stubs and the gRPC code below `destination`, laid out as the sources are."""
    for include, sources in (
        (ROOT, [path for path in SOURCES if "chancery" in path.parts]),
        (ROOT / "myca", [path for path in SOURCES if path.parent.name == "myca"]),
    ):
        output = destination / include.relative_to(ROOT)
        output.mkdir(parents=True, exist_ok=True)
        _run_protoc(include, sources, output)
    for path in [*destination.rglob("*_pb2*.py"), *destination.rglob("*_pb2*.pyi")]:
        path.write_text(_below_protos(path.read_text(), myca=path.parent.name == "myca"))


def _run_protoc(include: Path, sources: list[Path], output: Path) -> None:
    well_known = Path(str(resources.files("grpc_tools") / "_proto"))
    google_rpc = Path(status_pb2.__file__).parents[2]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{include}", f"-I{well_known}", f"-I{google_rpc}"]
    scripts = Path(sys.executable).parent  # where the plugins are, whether or not the environment is activated
    command += [f"--plugin=protoc-gen-{kind}={scripts / f'protoc-gen-{kind}'}" for kind in ("mypy", "mypy_grpc")]
    command += [f"--{kind}_out={output}" for kind in ("python", "mypy", "grpc_python", "mypy_grpc")]
    subprocess.run([*command, *map(str, sources)], check=True)  # noqa: S603 - our own files, no shell


def _below_protos(text: str, *, myca: bool) -> str:
    if myca:
        return re.sub(r"^import service_pb2", "from protos.myca import service_pb2", text, flags=re.MULTILINE)
    return re.sub(r"\bchancery\.ca\.v1( import|\.\w+_pb2)", r"protos.chancery.ca.v1\1", text)


if __name__ == "__main__":
    generate()
