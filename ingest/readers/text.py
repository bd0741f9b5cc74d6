"""Plain text: kept verbatim, with the structure that its lines give away.

Paragraphs end at blank lines; where there are none, a line may be one (see ``_prose``).
A heading is a line with an underline (``====``, as in reStructuredText and Setext), or a
numbered line in capitals that stands alone (``ARTICLE IV``, ``3. DEFINITIONS``). Anything less
certain is a paragraph: a false heading would be embedded with all the text below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from corpus.sentences import trimmed
from ingest import decoding
from ingest.parsed import Block, Kind, Parsed, Reading
from ingest.readers.spans import Piece, line_starts, sectioned

_MAX_TITLE = 100  # characters
_MAX_HEADING = 80
_WRAP = 120  # characters: text that is broken by hand has no longer lines on average
_RUN = 500  # characters of list items that stay together
_UNDERLINE = re.compile(r"([=\-~^\"'`#*+])\1{2,}")
_ITEM = re.compile(r"(?:[-*+•‣·]|\(?(?:\d{1,3}|[a-zA-Z])[.)])[ \t]+\S")
_NUMBERED = re.compile(
    r"(?:(?:CHAPTER|SECTION|ARTICLE|PART|APPENDIX|ANNEX|EXHIBIT|SCHEDULE)\s+[\dIVXLCA-H][\w.]*"
    r"|\d{1,3}(?:\.\d{1,3}){0,4}\.?)(?:[\s:.–—-]+(?P<words>[^a-z]*))?"
)
_CAPITALS = re.compile(r"[^\W\d_a-z]{3}")
_PAGE_NUMBER = re.compile(r"\s{2}\d+$")  # a line of a table of contents
_NO_TITLE = re.compile(r"\W*(?:exhibit|schedule|annex|appendix|page)\b|\[", re.IGNORECASE)
_COLUMNS = re.compile(r"\S\s{3,}\S")
_SENTENCE_ENDS = (".", "!", "?", ";", ":", ",", "。", "！", "？", "；", "：", "，")


def read(data: bytes) -> Reading:
    """Read a text file.

    :raises UnreadableSource: when the bytes are no text.
    """
    text, encoding = decoding.decode(data)
    return Reading((parse(text),), encoding, decoding.remarks(encoding))


def parse(text: str) -> Parsed:
    """Structure of a text: title, headings, paragraphs, list items."""
    groups = list(_groups(text))
    title = _title(text, groups)
    reader = _Structure(text, title)
    for group in groups:
        reader.add(group)
    first = reader.pieces[0] if title is not None else None
    return Parsed(text, sectioned(reader.pieces, first), title and " ".join(title.split()))


def paragraphs(text: str) -> tuple[Block, ...]:
    """Blocks of a text whose title is known from elsewhere and which has no headings."""
    reader = _Structure(text, None)
    for group in _groups(text):
        reader.add_paragraphs(group)
    return sectioned(reader.pieces, None)


_Line = tuple[int, int]  # span without surrounding white space, never empty
_Group = list[_Line]  # lines without a blank one between them


def _groups(text: str) -> Iterator[_Group]:
    starts, group = line_starts(text), _Group()
    for line in pairwise(starts):
        start, end = trimmed(text, *line)
        if start < end:
            group.append((start, end))
        elif group:
            yield group
            group = []
    if group:
        yield group


def _title(text: str, groups: list[_Group]) -> str | None:
    """The first line, when it is short, stands alone or is underlined, and text follows."""
    if not groups:
        return None
    lines = [text[start:end] for start, end in groups[0]]
    if len(lines) == 3 and _is_underline(lines[0], lines[1]) and _is_underline(lines[2], lines[1]):
        lines = lines[1:]
    underlined = len(lines) > 1 and _is_underline(lines[1], lines[0])
    if not underlined and (len(lines) > 1 or len(groups) < 2):
        return None
    line = lines[0]
    if len(line) > _MAX_TITLE or not any(c.isalpha() for c in line):
        return None
    if underlined:
        return line
    doubtful = _ITEM.match(line) or _NO_TITLE.match(line) or _COLUMNS.search(line)
    return None if doubtful or line.endswith(_SENTENCE_ENDS) else line


def _is_underline(line: str, above: str) -> bool:
    if not _UNDERLINE.fullmatch(line) or _UNDERLINE.fullmatch(above):
        return False
    return len(above) <= _MAX_TITLE and abs(len(line) - len(above)) <= max(3, len(above) // 4)


@dataclass(slots=True)
class _Structure:
    """Turns groups of lines into blocks."""

    text: str
    title: str | None
    pieces: list[Piece] = field(default_factory=list)
    underlines: list[str] = field(default_factory=list)  # by first use: the place is the level

    def add(self, group: _Group) -> None:
        """Take in lines that have no blank one between them."""
        begin, i = 0, 0
        while i + 1 < len(group):
            if _is_underline(self._line(group[i + 1]), self._line(group[i])):
                overlined = begin < i and bool(_UNDERLINE.fullmatch(self._line(group[i - 1])))
                self.add_paragraphs(group[begin : i - overlined])
                self._heading(group[i], self._level(self._line(group[i + 1])[0], overlined))
                begin = i = i + 2
            else:
                i += 1
        rest = group[begin:]
        if begin == 0 and len(rest) == 1 and (level := self._alone(rest[0])) is not None:
            self._heading(rest[0], level)
        else:
            self.add_paragraphs(rest)

    def _line(self, line: _Line) -> str:
        return self.text[line[0] : line[1]]

    def _level(self, mark: str, overlined: bool) -> int:
        style = mark * (2 if overlined else 1)
        if style not in self.underlines:
            self.underlines.append(style)
        return self.underlines.index(style)

    def _alone(self, line: _Line) -> int | None:
        """Level of a line that stands between blank lines, if it is a heading."""
        words = self._line(line)
        if not self.pieces and words == self.title:
            return 0
        if len(words) > _MAX_HEADING or words.endswith(_SENTENCE_ENDS[1:]):
            return None
        match = _NUMBERED.fullmatch(words)
        if match is None or _PAGE_NUMBER.search(words):
            return None
        if not words[0].isalpha() and not _CAPITALS.search(match["words"] or ""):
            return None
        number = words.split()[0].rstrip(".")
        return 100 + (number.count(".") if number[0].isdigit() else -1)  # below the underlined

    def _heading(self, line: _Line, level: int) -> None:
        words = " ".join(self._line(line).split())
        self.pieces.append(Piece(Kind.HEADING, *line, level, words))

    def add_paragraphs(self, lines: list[_Line]) -> None:
        """Take in lines among which no heading is looked for."""
        if lines and _ITEM.match(self._line(lines[0])):
            self._list(lines)
        elif lines:
            self._prose(lines)

    def _prose(self, lines: list[_Line]) -> None:
        length = sum(end - start for start, end in lines)
        whole = len(lines) == 1 or length <= _WRAP * len(lines)
        closed = sum(self._line(line).endswith(_SENTENCE_ENDS[:3]) for line in lines)
        if whole and (len(lines) < 4 or closed < 0.8 * len(lines)):
            lines = [(lines[0][0], lines[-1][1])]  # broken by hand: one paragraph
        for line in lines:
            self._piece(Kind.PARAGRAPH, *line)

    def _list(self, lines: list[_Line]) -> None:
        """Items with the lines that continue them, short ones in runs."""
        begin, end = lines[0]
        for start, stop in lines[1:]:
            if stop - begin > _RUN and _ITEM.match(self.text, start, stop):
                self._piece(Kind.LIST, begin, end)
                begin = start
            end = stop
        self._piece(Kind.LIST, begin, end)

    def _piece(self, kind: Kind, start: int, end: int) -> None:
        self.pieces.append(Piece(kind, start, end))
