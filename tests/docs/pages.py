"""The pages of docs/ as something that is run: sections by heading, and in each the blocks of shell that it shows.

- What is run is what the page says, letter by letter. Only places differ: HOME, and the ports of the variables.
- A section that shows commands and is run by no test fails the test of its page: none grows a procedure that nobody has tried.
"""

import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENTATION = Path(__file__).parents[2] / "docs"
_HEADING = re.compile(r"^#{2,4} (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    section: str
    language: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page."""

    name: str
    blocks: tuple[Block, ...]

    @classmethod
    def read(cls, name: str) -> "Page":
        text = (DOCUMENTATION / name).read_text(encoding="utf-8")
        heading, *rest = _HEADING.split(text)
        sections = [("", heading), *zip(rest[::2], rest[1::2], strict=True)]
        blocks = (
            Block(section=section, language=found[1], text=found[2])
            for section, body in sections
            for found in _BLOCK.finditer(body)
        )
        return cls(name=name, blocks=tuple(blocks))

    def shell(self, section: str) -> list[str]:
        """The blocks of shell below this heading, in their order."""
        found = [each.text for each in self.blocks if each.section == section and each.language == "sh"]
        assert found, f"docs/{self.name} has no block of shell below {section!r}"
        return found

    def sections(self) -> set[str]:
        """Those that show commands."""
        return {each.section for each in self.blocks if each.language == "sh"}
