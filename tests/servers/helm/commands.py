"""Helm as a command: offline, at home in a directory of its own, bounded in time."""

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers.helm.programs import HelmProgram

_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Helm:
    program: HelmProgram
    home: Path
    _rendered: dict[str, str] = field(default_factory=dict)

    def run(
        self,
        *arguments: str,
        check: bool = True,
        values: Mapping[str, Any] | None = None,
        seconds: float = _SECONDS,
    ) -> "subprocess.CompletedProcess[str]":
        """`values` become a values file. Fails the test where Helm does, unless told not to check."""
        given = []
        if values is not None:
            file = self.home / "values.yaml"
            file.write_text(yaml.safe_dump(dict(values)))
            given = ["--values", str(file)]
        done = subprocess.run(
            [str(self.program.path), *arguments, *given],
            env={"PATH": os.defpath, "HOME": str(self.home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        if check and done.returncode:
            pytest.fail(f"helm {' '.join(arguments)} ended with {done.returncode}: {done.stderr}{done.stdout}")
        return done

    def render(
        self,
        chart: Path,
        *,
        release: str = "chancery",
        namespace: str = "chancery",
        files: Iterable[Path] = (),
        values: Mapping[str, Any] | None = None,
        api_versions: Iterable[str] = (),
        anew: bool = False,
        tests: bool = False,
    ) -> str:
        """What `helm template` writes, of `tests` too if asked; `anew`, although the same was rendered before."""
        key = repr((chart, release, namespace, tuple(files), values, tuple(api_versions), tests))
        if anew or key not in self._rendered:
            done = self._template(chart, release, namespace, files, values, api_versions, check=True, tests=tests)
            self._rendered[key] = done.stdout
        return self._rendered[key]

    def refusal(self, chart: Path, values: Mapping[str, Any], *, release: str = "chancery") -> str:
        """What Helm says of values that it does not take."""
        done = self._template(chart, release, "chancery", (), values, (), check=False)
        assert done.returncode, "these values were rendered"
        return done.stderr

    def _template(
        self,
        chart: Path,
        release: str,
        namespace: str,
        files: Iterable[Path],
        values: Mapping[str, Any] | None,
        api_versions: Iterable[str],
        *,
        check: bool,
        tests: bool = False,
    ) -> "subprocess.CompletedProcess[str]":
        options = [f"--namespace={namespace}", *(f"--values={file}" for file in files)]
        options += [f"--api-versions={version}" for version in api_versions]
        options += [] if tests else ["--skip-tests"]
        return self.run("template", release, str(chart), *options, values=values, check=check)


def documents(rendered: str) -> list[dict[str, Any]]:
    """The objects of a render."""
    return [document for document in yaml.safe_load_all(rendered) if document]
