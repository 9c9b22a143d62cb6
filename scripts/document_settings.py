"""Writes the tables of docs/configuration.md from the settings of each server: `python scripts/document_settings.py`.

- What stands between the markers is generated; everything else on the page is written by hand and stays.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

from apiserver.settings import ApiServerSettings
from ca.settings import ServeSettings
from kube.admission.settings import InjectorSettings
from kube.settings import ControllerSettings
from serving.settings import Setting, describe

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
SERVERS: Mapping[str, type] = {
    "ca/settings.py": ServeSettings,
    "apiserver/settings.py": ApiServerSettings,
    "kube/settings.py": ControllerSettings,
    "kube/admission/settings.py": InjectorSettings,
}


def with_settings(page: str) -> str:
    """The page with its tables brought up to date. Raises ValueError where it lacks the markers."""
    for source, settings in SERVERS.items():
        begin, end = f"<!-- settings: generated from {source} by `make docs` -->", f"<!-- end of {source} -->"
        if begin not in page or end not in page:
            raise ValueError(f"the page needs the lines {begin!r} and {end!r}; put them where the tables belong")
        tables = "\n\n".join(
            _table(group, list(described)) for group, described in groupby(describe(settings), lambda one: one.group)
        )
        replacement = f"{begin}\n\n{tables}\n\n{end}"
        page = re.sub(f"{re.escape(begin)}.*{re.escape(end)}", lambda _, text=replacement: text, page, flags=re.DOTALL)
    return page


def _table(group: str, settings: Iterable[Setting]) -> str:
    rows = "\n".join(_row(setting) for setting in settings)
    return f"### {group.capitalize()}\n\n| setting | kind | default | what it does |\n|---|---|---|---|\n{rows}"


def _row(setting: Setting) -> str:
    default = f"`{setting.default_text}`" if setting.default_text else ""
    meaning = setting.help.replace("|", "\\|")
    return f"| `{setting.name}` | {setting.type_name} | {default} | {meaning} |"


if __name__ == "__main__":
    PAGE.write_text(with_settings(PAGE.read_text()))
