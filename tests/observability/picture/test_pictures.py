"""Pictures of the dashboard show the dashboard that there is."""

import json
import re
import struct
import zlib
from pathlib import Path

import pytest

from tests.observability.picture.pictures import (
    KEYWORD,
    PICTURES,
    ROWS,
    digest,
    panels_of_rows,
    size_of,
    text_of,
    with_text,
)
from tests.observability.queries import DASHBOARD

DOCS = PICTURES.parent
PAGE = Path(__file__).with_name("page")
MOST_OCTETS = 400_000

each_picture = pytest.mark.parametrize("name", ROWS)


@each_picture
def test_picture_is_of_the_dashboard_that_there_is(name: str) -> None:
    shown = text_of((PICTURES / name).read_bytes(), KEYWORD)

    assert shown == digest(), f"docs/images/{name} shows another dashboard: draw it anew with `make picture`"


@each_picture
def test_picture_is_wide_enough_to_read_and_small_enough_to_load(name: str) -> None:
    octets = (PICTURES / name).read_bytes()
    width, height = size_of(octets)

    assert width == 1600
    assert 500 < height < 2000
    assert len(octets) < MOST_OCTETS


def test_pictures_show_every_row_of_the_dashboard_once() -> None:
    rows = panels_of_rows(json.loads(DASHBOARD.read_text()))

    assert [title for titles in ROWS.values() for title in titles] == list(rows)


@each_picture
def test_picture_stands_in_the_documentation(name: str) -> None:
    (text,) = re.findall(rf"!\[(.+)\]\(images/{re.escape(name)}\)", (DOCS / "metrics.md").read_text())

    assert len(text) > 10


def test_no_picture_is_left_behind() -> None:
    assert {path.name for path in PICTURES.glob("dashboard*")} == ROWS.keys()


def test_text_of_a_picture_is_read_as_it_was_written() -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    bare = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 0, 0, 0, 0)) + chunk(b"IEND", b"")
    written = with_text(bare, KEYWORD, "abc")

    assert (text_of(bare, KEYWORD), text_of(written, KEYWORD)) == ("", "abc")
    assert size_of(written) == (3, 2)
    assert written.endswith(chunk(b"tEXt", KEYWORD.encode() + b"\0abc") + chunk(b"IEND", b""))


def test_packages_are_locked_to_exact_versions_and_to_no_registry() -> None:
    named = json.loads((PAGE / "package.json").read_text())
    lock = json.loads((PAGE / "package-lock.json").read_text())
    packages = {path: package for path, package in lock["packages"].items() if path}

    assert lock["packages"][""]["dependencies"] == named["dependencies"]
    assert [one for one in named["dependencies"].values() if not re.fullmatch(r"\d+\.\d+\.\d+", one)] == []
    assert [path for path, package in packages.items() if "resolved" in package] == []
    assert [path for path, package in packages.items() if not package["integrity"].startswith("sha512-")] == []
