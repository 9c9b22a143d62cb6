"""The pictures in docs/images: which rows of the dashboard each shows, and how they are drawn from a recording.

- Node's packages are installed into the cache, so that nothing of them lies in the repository.
- Each picture holds the SHA-256 of the dashboard that it shows (PNG section 11.3.3.2): one that was left behind is found by a test.
"""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.observability.queries import DASHBOARD

PICTURES = Path(__file__).parents[3] / "docs" / "images"
ROWS = {
    "dashboard.png": ("At a glance", "Authority"),
    "dashboard-registrar.png": ("Registrar",),
    "dashboard-servers.png": ("Injector", "Storage API server", "Processes"),
}
"""What each picture shows. Together they show everything."""
KEYWORD = "dashboard-sha256"

_PAGE = Path(__file__).with_name("page")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INSTALL_SECONDS = 900
_DRAW_SECONDS = 300


def digest() -> str:
    """Of the dashboard as it is."""
    return hashlib.sha256(DASHBOARD.read_bytes()).hexdigest()


def panels_of_rows(board: Mapping[str, Any]) -> Mapping[str, Sequence[int]]:
    """The numbers of panels below each row, its own first."""
    rows: dict[str, list[int]] = {}
    for panel in sorted(board["panels"], key=lambda panel: (panel["gridPos"]["y"], panel["gridPos"]["x"])):
        if panel["type"] == "row":
            rows[panel["title"]] = []
        rows[next(reversed(rows))].append(panel["id"])
    return rows


def draw(recording: Path) -> None:
    """Raises CalledProcessError where npm, Node or Chromium cannot."""
    rows = panels_of_rows(json.loads(DASHBOARD.read_text()))
    wanted = {name: [panel for title in titles for panel in rows[title]] for name, titles in ROWS.items()}
    page = install()
    with tempfile.TemporaryDirectory(prefix="pictures-") as directory:
        arguments = ["node", str(page / "draw.mjs"), str(DASHBOARD), str(recording.absolute()), directory]
        subprocess.run([*arguments, json.dumps(wanted)], check=True, timeout=_DRAW_SECONDS)
        PICTURES.mkdir(exist_ok=True)
        for name in wanted:
            octets = (Path(directory) / name).read_bytes()
            (PICTURES / name).write_bytes(with_text(octets, KEYWORD, digest()))


def install() -> Path:
    """The page in the cache, with the packages that it names."""
    place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chancery" / "picture"
    place.mkdir(parents=True, exist_ok=True)
    lock, installed = _PAGE / "package-lock.json", place / "installed-lock.json"
    for file in _PAGE.iterdir():
        shutil.copy(file, place)
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(npm, cwd=place, check=True, timeout=_INSTALL_SECONDS)
        shutil.copy(lock, installed)
    return place


def size_of(picture: bytes) -> tuple[int, int]:
    """Width and height."""
    kind, content = next(_chunks(picture))
    assert kind == b"IHDR"
    width, height = struct.unpack(">II", content[:8])
    return width, height


def text_of(picture: bytes, keyword: str) -> str:
    """Empty, if there is none of this keyword."""
    for kind, content in _chunks(picture):
        name, _, text = content.partition(b"\0")
        if kind == b"tEXt" and name == keyword.encode():
            return text.decode("latin-1")
    return ""


def with_text(picture: bytes, keyword: str, text: str) -> bytes:
    """Before the end of the picture."""
    chunks = [*_chunks(picture)]
    end = chunks.pop()
    said = (b"tEXt", keyword.encode() + b"\0" + text.encode("latin-1"))
    return _SIGNATURE + b"".join(_chunk(*each) for each in (*chunks, said, end))


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    assert picture.startswith(_SIGNATURE), "no PNG"
    at = len(_SIGNATURE)
    while at < len(picture):
        length, kind = struct.unpack(">I4s", picture[at : at + 8])
        yield kind, picture[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
