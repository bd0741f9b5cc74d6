"""Cut a document into chunks: along its structure, then its sentences.

A chunk never spans two sections and, where a block fits, never parts it. What is embedded
is the chunk with its title and headings before it, and all of that together stays within
the target and the model's own limit, counted by the model's own tokenizer, special tokens
included: the encoder never has anything to cut. Whoever changes where a document is cut raises
:data:`ingest.versions.CHUNKER`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from corpus.embedding import Tokens
from corpus.sentences import sentence_spans, trimmed
from ingest.parsed import Block, Kind, Parsed

_MAX_PREFIX_SHARE = 0.4
"""A long heading path gives way, outermost first, so that a chunk is mostly its own text."""

_MAX_HEADER_SHARE = 0.25
"""The same for the header row that is embedded before the later rows of a table."""

_CHARS_PER_TOKEN = 16
"""More characters than this to a token are a text that hides its length: a tokenizer may see
one unknown word in a megabyte, or nothing in a thousand invisible spaces."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A chunk before it has an id."""

    start: int  # code points into Parsed.text
    end: int
    headings: tuple[str, ...]
    page: int | None
    embedded: str  # what the encoder gets
    tokens: int  # of that, special tokens included


@dataclass(frozen=True, slots=True)
class _Unit:
    """A span that is parted only when it is too long by itself: a sentence, a row, a line."""

    start: int
    end: int
    tokens: int  # special tokens left out

    @property
    def size(self) -> int:
        """What it takes of a chunk, in tokens; text that hides its length counts by it."""
        return max(self.tokens, (self.end - self.start) // _CHARS_PER_TOKEN)


def chunk(parsed: Parsed, tokens: Tokens, target: int) -> list[Draft]:
    """Cut a document into chunks, in reading order.

    :param target: tokens that a chunk may have as it is embedded; the model's limit holds
        in any case.
    """
    cutter = _Cutter(parsed, tokens, min(target, tokens.limit))
    return [
        draft
        for headings, blocks in _sections(parsed.blocks)
        for draft in cutter.section(headings, blocks)
    ]


def _sections(blocks: Iterable[Block]) -> Iterator[tuple[tuple[str, ...], list[Block]]]:
    """Blocks that stand under the same headings, with those headings in front.

    A heading with nothing but deeper headings below it goes with the first of these.
    """
    waiting: list[Block] = []
    for section in _runs(blocks):
        headings = section[0].headings
        if waiting and len(headings) <= len(waiting[-1].headings):
            yield waiting[-1].headings, waiting
            waiting = []
        waiting += section
        if section[-1].kind is not Kind.HEADING:
            yield headings, waiting
            waiting = []
    if waiting:
        yield waiting[-1].headings, waiting


def _runs(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Blocks up to the next heading, or to the next change of headings."""
    run: list[Block] = []
    for block in blocks:
        if run and (block.kind is Kind.HEADING or block.headings != run[-1].headings):
            yield run
            run = []
        run.append(block)
    if run:
        yield run


class _Cutter:
    """Cuts the sections of one document."""

    def __init__(self, parsed: Parsed, tokens: Tokens, most: int) -> None:
        self._parsed, self._tokens, self._most = parsed, tokens, most
        self._specials = tokens.count([""])[0]
        self._tables = [block for block in parsed.blocks if block.kind is Kind.TABLE]

    def section(self, headings: tuple[str, ...], blocks: list[Block]) -> Iterator[Draft]:
        """Cut blocks that stand under the same headings."""
        prefix, taken = self._prefix(headings)
        room = self._most - taken
        for page, paged in groupby(blocks, key=lambda block: block.page):
            for units in self._pack(list(paged), room):
                yield from self._drafts(units, headings, page, prefix)

    def _prefix(self, headings: tuple[str, ...]) -> tuple[str, int]:
        """Title and headings as they are embedded before each chunk of a section, and how many
        tokens these are, special tokens included.
        """
        title = (self._parsed.title,) if self._parsed.title else ()
        path = title + headings
        longest = int(self._most * _MAX_PREFIX_SHARE)
        while path:
            prefix = " > ".join(path) + "\n"
            if len(prefix) <= longest * _CHARS_PER_TOKEN:
                count = self._tokens.count([prefix])[0]
                if count <= longest:
                    return prefix, count
            path = path[1:]
        return "", self._specials

    def _header(self, start: int) -> str:
        """The header row of the table that a chunk begins in the middle of: without it the
        rows say nothing of what their cells are.
        """
        place = bisect_right(self._tables, start, key=lambda table: table.start) - 1
        table = self._tables[place] if place >= 0 else None
        if table is None or not table.start < start < table.end:
            return ""
        row = self._parsed.text[table.start : table.end].partition("\n")[0]
        longest = int(self._most * _MAX_HEADER_SHARE)
        short = len(row) <= longest * _CHARS_PER_TOKEN and self._tokens.count([row])[0] <= longest
        begins_later = start >= table.start + len(row)
        return f"{row}\n" if short and begins_later else ""

    def _pack(self, blocks: list[Block], room: int) -> Iterator[list[_Unit]]:
        """Fill chunks with whole blocks; a block that no chunk can hold is parted.

        A heading stays with what follows it.
        """
        packed: list[_Unit] = []
        size = 0
        for units in self._whole(blocks, room):
            if packed and size + sum(unit.size for unit in units) > room:
                yield packed
                packed, size = [], 0
            for unit in units:
                if packed and size + unit.size > room:
                    yield packed
                    packed, size = [], 0
                packed.append(unit)
                size += unit.size
        if packed:
            yield packed

    def _whole(self, blocks: list[Block], room: int) -> Iterator[list[_Unit]]:
        """The units of each block, those of the headings before it in front."""
        leading: list[_Unit] = []
        for block in blocks:
            leading += self._units(block, room)
            if block.kind is not Kind.HEADING:
                yield leading
                leading = []
        if leading:
            yield leading

    def _units(self, block: Block, room: int) -> list[_Unit]:
        text = self._parsed.text
        if block.kind in (Kind.TABLE, Kind.CODE):
            spans = _lines(text, block.start, block.end)
        else:
            spans = sentence_spans(text, block.start, block.end)
        spans = [part for span in spans for part in _shorten(text, span, room)]
        counts = self._tokens.count([text[start:end] for start, end in spans])
        units = [
            _Unit(start, end, count - self._specials)
            for (start, end), count in zip(spans, counts, strict=True)
        ]
        return [part for unit in units for part in self._part(unit, room)]

    def _part(self, unit: _Unit, room: int) -> Iterator[_Unit]:
        """Part a unit that is longer than a chunk, between words where there are any."""
        if unit.tokens <= room:
            yield unit
            return
        text = self._parsed.text[unit.start : unit.end]
        boundaries = _apart(self._tokens.boundaries(text))
        first = 0
        while first < len(boundaries):
            last = min(first + room, len(boundaries))
            if last < len(boundaries):
                spaces = [n for n in range(last, first, -1) if text[boundaries[n][0] - 1].isspace()]
                last = spaces[0] if spaces else last
            start, end = boundaries[first][0], boundaries[last - 1][1]
            yield _Unit(unit.start + start, unit.start + end, last - first)
            first = last

    def _drafts(
        self, units: list[_Unit], headings: tuple[str, ...], page: int | None, prefix: str
    ) -> Iterator[Draft]:
        """One chunk, or two where it is longer than the sum of its units."""
        start, end = units[0].start, units[-1].end
        embedded = prefix + self._header(start) + self._parsed.text[start:end]
        count = self._tokens.count_chunk(embedded)
        if count <= self._most or end - start == 1:
            yield Draft(start, end, headings, page, embedded, count)
            return
        if len(units) == 1:
            units = _halves(self._parsed.text, units[0])
        half = len(units) // 2
        yield from self._drafts(units[:half], headings, page, prefix)
        yield from self._drafts(units[half:], headings, page, prefix)


def _apart(boundaries: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans of tokens that share no character: one character may be several tokens."""
    apart: list[tuple[int, int]] = []
    for start, end in boundaries:
        if end > start and (not apart or start >= apart[-1][1]):
            apart.append((start, end))
    return apart


def _halves(text: str, unit: _Unit) -> list[_Unit]:
    """Part a unit that became longer by being cut out: half a word may be more tokens."""
    middle = (unit.start + unit.end) // 2
    spans = [trimmed(text, unit.start, middle), trimmed(text, middle, unit.end)]
    return [_Unit(start, end, unit.tokens // 2) for start, end in spans]


def _lines(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The lines of a table or of code, without the white space around them."""
    spans = []
    for line in text[start:end].splitlines(keepends=True):
        if line.strip():
            spans.append(trimmed(text, start, start + len(line)))
        start += len(line)
    return spans


def _shorten(text: str, span: tuple[int, int], room: int) -> Iterator[tuple[int, int]]:
    """Part a span whose tokens hide how long it is: a tokenizer may see one unknown word
    in a megabyte without spaces.
    """
    most = room * _CHARS_PER_TOKEN
    start, end = span
    while start < end:
        cut = end
        if end - start > most:
            space = text.rfind(" ", start + 1, start + most)
            cut = space if space > 0 else start + most
        first, last = trimmed(text, start, cut)
        if first < last:
            yield first, last
        start = cut
