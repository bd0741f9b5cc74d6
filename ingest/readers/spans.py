"""What readers share: the lines of a text, and the sections that blocks stand in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.parsed import Block, Kind

_NEWLINE = re.compile(r"\r\n?|\n")


def line_starts(text: str) -> list[int]:
    """Where each line begins, and one more entry: the length of the text.

    A line ends with LF, CRLF or CR, and with nothing else: form feeds and Unicode's line
    separators stand inside a line, as in CommonMark.
    """
    starts = [0, *(match.end() for match in _NEWLINE.finditer(text))]
    starts.append(len(text))
    return starts


def is_text(value: str) -> bool:
    """Whether a string can be stored: an escape can name NUL, or half a surrogate pair."""
    return not any("\ud800" <= c <= "\udfff" or c == "\0" for c in value)


@dataclass(frozen=True, slots=True)
class Piece:
    """A block to be: its sections are known once the title of the document is."""

    kind: Kind
    start: int  # code points
    end: int
    level: int = 0  # of a heading, 1 the outermost
    words: str = ""  # of a heading, without markup


def sectioned(pieces: Sequence[Piece], title: Piece | None) -> tuple[Block, ...]:
    """Blocks with the sections they stand in; a heading stands in the section it opens.

    ``title`` is the heading that says the document's title and is no section.
    """
    sections: list[tuple[int, str]] = []
    blocks: list[Block] = []
    path: tuple[str, ...] = ()
    for piece in pieces:
        if piece.kind is Kind.HEADING and piece is not title:
            while sections and sections[-1][0] >= piece.level:
                sections.pop()
            if piece.words:
                sections.append((piece.level, piece.words))
            path = tuple(words for _, words in sections)
        blocks.append(Block(piece.kind, piece.start, piece.end, path))
    return tuple(blocks)
