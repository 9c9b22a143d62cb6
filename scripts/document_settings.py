"""Writes the tables of docs/configuration.md from ca/settings.py: `python scripts/document_settings.py`.

- What stands between the markers is generated; everything else on the page is written by hand and stays.
"""

import re
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from ca.settings import ServeSettings
from serving.settings import Setting, describe

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
BEGIN = "<!-- settings: generated from ca/settings.py by `make docs` -->"
END = "<!-- end of settings -->"


def with_settings(page: str) -> str:
    """The page with its tables brought up to date. Raises ValueError where it lacks the markers."""
    if BEGIN not in page or END not in page:
        raise ValueError(f"the page needs the lines {BEGIN!r} and {END!r}; put them where the tables belong")
    tables = "\n\n".join(
        _table(group, list(settings)) for group, settings in groupby(describe(ServeSettings), lambda one: one.group)
    )
    return re.sub(
        f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n\n{tables}\n\n{END}", page, flags=re.DOTALL
    )


def _table(group: str, settings: Iterable[Setting]) -> str:
    rows = "\n".join(_row(setting) for setting in settings)
    return f"### {group.capitalize()}\n\n| setting | kind | default | what it does |\n|---|---|---|---|\n{rows}"


def _row(setting: Setting) -> str:
    default = f"`{setting.default_text}`" if setting.default_text else ""
    meaning = setting.help.replace("|", "\\|")
    return f"| `{setting.name}` | {setting.type_name} | {default} | {meaning} |"


if __name__ == "__main__":
    PAGE.write_text(with_settings(PAGE.read_text()))
