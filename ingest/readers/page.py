"""A text that is written piece by piece, for formats whose own text is buried in markup.

Words come in as they stand in the source; white space is folded, blocks are separated by blank
lines, and list items and table rows by newlines. Characters that nobody sees (soft hyphens,
zero-width spaces, byte-order marks, Unicode tags) are left out. Knows nothing of any format.
"""

from __future__ import annotations

import re

from ingest.parsed import Kind
from ingest.readers.spans import Piece

_RUN = 500  # characters of short list items that stay together
_MAX_INDENT = 8  # levels of nested lists that are shown
_SPACE = re.compile(r"\s+")
_INVISIBLE = dict.fromkeys((0xAD, 0x200B, 0x2060, 0xFEFF, *range(0xE0000, 0xE0080)))


class Page:
    """Collects words until a block ends, then the block."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self._parts: list[str] = []
        self._length = 0
        self._words: list[str] = []

    @property
    def text(self) -> str:
        """All that was written so far, but for the words of an open block."""
        return "".join(self._parts)

    @property
    def mark(self) -> int:
        """Where the open block stands, for :meth:`since`."""
        return len(self._words)

    def since(self, mark: int) -> str:
        """The words of the open block that were written after ``mark`` was taken."""
        return fold("".join(self._words[mark:]))

    def drop(self, mark: int) -> None:
        """Take back the words of the open block that were written after ``mark`` was taken."""
        del self._words[mark:]

    def write(self, words: str) -> None:
        """Add to the open block."""
        self._words.append(_SPACE.sub(" ", words))

    def line_break(self) -> None:
        """End a line of the open block; two in a row end a paragraph."""
        self._words.append("\n")

    def end_prose(self) -> None:
        """End the open block as a paragraph, or as several where lines were left blank."""
        for words in self._folded():
            self._add(Kind.PARAGRAPH, words)

    def end_heading(self, level: int) -> None:
        """End the open block as a heading, 1 being the outermost level."""
        if words := " ".join(" ".join(self._folded()).split()):
            self._add(Kind.HEADING, words, level=level)

    def end_item(self, marker: str, depth: int) -> bool:
        """End the open block as (part of) a list item; whether there was anything to end.

        :param marker: ``"- "``, ``"2. "``, or empty for what continues an item.
        :param depth: 0 in an outermost list.
        """
        folded = self._folded()
        for i, words in enumerate(folded):
            lead = "  " * min(depth, _MAX_INDENT) + ("  " if i or not marker else "")
            self._add(Kind.LIST, (marker if i == 0 else "") + words, lead=lead)
        return bool(folded)

    def add_code(self, code: str) -> None:
        """Add a block whose white space is kept."""
        lines = code.translate(_INVISIBLE).rstrip().split("\n")
        while lines and not lines[0].strip():
            lines.pop(0)
        if lines:
            body = "\n".join(lines)
            self._add(Kind.CODE, body.lstrip(), lead=body[: len(body) - len(body.lstrip())])

    def add_table(self, rows: list[list[str]]) -> None:
        """Add a table, one line per row; rows without a word are left out."""
        lines = [" | ".join(cells).rstrip(" |") for cells in rows if any(cells)]
        if body := "\n".join(lines).strip():
            self._add(Kind.TABLE, body)

    def _folded(self) -> list[str]:
        """The paragraphs of the open block, which ends."""
        lines = [fold(line) for line in "".join(self._words).split("\n")]
        self._words.clear()
        paragraphs = re.split(r"\n{2,}", "\n".join(lines).strip("\n"))
        return [paragraph for paragraph in paragraphs if paragraph]

    def _add(self, kind: Kind, words: str, *, lead: str = "", level: int = 0) -> None:
        last = self.pieces[-1] if self.pieces else None
        in_list = kind is Kind.LIST and last is not None and last.kind is Kind.LIST
        if last is not None:
            self._put("\n" if in_list else "\n\n")
        self._put(lead)
        start = self._length
        self._put(words)
        if in_list and last is not None and self._length - last.start <= _RUN:
            self.pieces[-1] = Piece(kind, last.start, self._length)
        else:
            self.pieces.append(Piece(kind, start, self._length, level, words if level else ""))

    def _put(self, words: str) -> None:
        self._parts.append(words)
        self._length += len(words)


def fold(words: str) -> str:
    """Words with single spaces between them and nothing invisible."""
    return " ".join(words.translate(_INVISIBLE).split())
