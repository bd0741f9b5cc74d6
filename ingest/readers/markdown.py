"""Markdown: CommonMark with tables and front matter; the text is the file's, verbatim.

markdown-it finds the blocks and their lines. What it sets apart (heading marks, fences, rules,
link definitions, comments between paragraphs) no block covers. A line with words that no block
accounts for, such as one below markdown-it's nesting limit, becomes a paragraph: nothing that
someone wrote is lost. Hugo shortcodes, inline HTML and comments inside a paragraph stay in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from corpus.sentences import trimmed
from ingest import decoding
from ingest.parsed import Kind, Parsed, Reading
from ingest.readers import front_matter
from ingest.readers.spans import Piece, line_starts, sectioned

_ITEM = 800  # characters: a longer list item is taken apart
_RUN = 500  # characters of short items that stay together
_MAX_INLINE = 300  # characters of a heading whose markup is resolved: the cost is quadratic
_LISTS = ("bullet_list_open", "ordered_list_open")
_APART = ("fence", "code_block", "table_open", "heading_open", "html_block")  # never in an item
_LEAVES = (*_APART, "paragraph_open", "hr")
_QUOTE = re.compile(r"[ \t]*(?:>[ \t]*)+")
_DEFINITION = re.compile(r"[ \t>]*\[[^\]]+\]:")
_COMMENT = re.compile(r"\s*<!--(?s:.*?)(?:-->|\Z)")
_TAG = re.compile(r"<[^<>]*>")
_UNSEEN = re.compile(r"\s*<(?:script|style)\b", re.IGNORECASE)
_MARKUP = re.compile(r"[\\`*_\[\]<>&!]")
_WORD = re.compile(r"\w")

# Made once: making them takes as long as all else of a short file. They keep nothing of a text.
_BLOCKS = MarkdownIt("commonmark").enable("table").disable(["inline", "text_join"])
_INLINE = MarkdownIt("commonmark")  # inline markup matters in headings alone


def read(data: bytes) -> Reading:
    """Read a Markdown file.

    :raises UnreadableSource: when the bytes are no text.
    """
    text, encoding = decoding.decode(data)
    front = front_matter.read(text)
    pieces = _Pieces(text, front.end).found()
    title, said_by = _title(pieces, front.fields.get("title"))
    metadata = {key: value for key, value in front.fields.items() if key != "title"}
    document = Parsed(text, sectioned(pieces, said_by), title, metadata)
    return Reading((document,), encoding, (*decoding.remarks(encoding), *front.remarks))


def _title(pieces: list[Piece], stated: str | None) -> tuple[str | None, Piece | None]:
    """Title of the document, and the heading that says it, if one does.

    Front matter states it; otherwise it is the first heading, when that is of level 1.
    """
    first = next((piece for piece in pieces if piece.kind is Kind.HEADING), None)
    if first is None:
        return stated, None
    if stated is None:
        return (first.words, first) if first.level == 1 and first.words else (None, None)
    return stated, first if first.words.casefold() == stated.casefold() else None


class _Pieces:
    """The blocks of one text, found from markdown-it's tokens and their line numbers."""

    def __init__(self, text: str, offset: int) -> None:
        self._text = text
        self._tokens = _BLOCKS.parse(text[offset:])
        self._starts = [offset + start for start in line_starts(text[offset:])]
        self._accounted = bytearray(len(self._starts) - 1)  # per line

    def found(self) -> list[Piece]:
        """All pieces in the order of the text, none of them empty."""
        pieces = [*self._walk(0, len(self._tokens), Kind.PARAGRAPH), *self._forgotten()]
        return sorted((p for p in pieces if p.start < p.end), key=lambda piece: piece.start)

    def _walk(self, first: int, last: int, prose: Kind) -> Iterator[Piece]:
        """Pieces of tokens ``first`` to ``last``; paragraphs become ``prose``."""
        i = first
        while i < last:
            token = self._tokens[i]
            if token.type in _LISTS:
                close = self._close(i)
                yield from self._list(i + 1, close)
                i = close
            elif token.type in _LEAVES:
                self._account(token)
                content = self._tokens[i + 1].content if i + 1 < last else ""
                yield from self._leaf(token, content, prose)
                if token.type == "table_open":
                    i = self._close(i)
            i += 1

    def _leaf(self, token: Token, content: str, prose: Kind) -> Iterator[Piece]:
        start, end = self._span(token)
        if token.type == "paragraph_open":
            yield self._piece(prose, start, end)
        elif token.type == "heading_open":
            yield self._heading(token, content, start, end)
        elif token.type == "table_open":
            yield self._piece(Kind.TABLE, start, end)
        elif token.type == "code_block":
            yield self._piece(Kind.CODE, start, end)
        elif token.type == "fence":
            first, last = _lines(token)
            begin = min(first + 1, last)
            inside = min(begin + token.content.count("\n"), last)
            yield self._piece(Kind.CODE, self._starts[begin], self._starts[inside])
        elif token.type == "html_block":
            while comment := _COMMENT.match(self._text, start, end):
                start = comment.end()
            rest = _TAG.sub("", _COMMENT.sub("", self._text[start:end]))
            if rest.strip() and not _UNSEEN.match(self._text, start, end):
                yield self._piece(Kind.PARAGRAPH, start, end)

    def _heading(self, token: Token, content: str, start: int, end: int) -> Piece:
        if token.markup.startswith("#"):
            place = self._text.find(content, start, end)
            start, end = place, place + len(content)
        else:
            end = self._starts[_lines(token)[1] - 1]  # the underline is left out
        piece = self._piece(Kind.HEADING, start, end)
        return Piece(Kind.HEADING, piece.start, piece.end, int(token.tag[1:]), self._plain(content))

    def _plain(self, content: str) -> str:
        """The words of a heading without its inline markup."""
        words, pending = list[str](), list[Token]()
        if len(content) > _MAX_INLINE or not _MARKUP.search(content):
            words.append(content)
        else:
            pending.extend(_INLINE.parseInline(content))
        while pending:
            token = pending.pop()
            if token.children:
                pending.extend(token.children)
            elif token.type in ("text", "code_inline"):
                words.append(token.content)
            elif token.type in ("softbreak", "hardbreak"):
                words.append(" ")
        return " ".join("".join(reversed(words)).split())

    def _list(self, first: int, last: int) -> Iterator[Piece]:
        """Short items in runs; long ones, and those that hold code or tables, taken apart."""
        run: Piece | None = None
        i = first
        while i < last:
            close = self._close(i)
            item = self._piece(Kind.LIST, *self._span(self._tokens[i]))
            inside = [token.type for token in self._tokens[i + 1 : close]]
            if item.end - item.start <= _ITEM and not any(kind in _APART for kind in inside):
                self._account(self._tokens[i])
                if run is not None and item.end - run.start <= _RUN:
                    run = Piece(Kind.LIST, run.start, item.end)
                elif inside:
                    if run is not None:
                        yield run
                    run = item
            else:
                if run is not None:
                    yield run
                run = None
                yield from self._walk(i + 1, close, Kind.LIST)
            i = close + 1
        if run is not None:
            yield run

    def _forgotten(self) -> Iterator[Piece]:
        """Runs of lines with words that no token accounts for."""
        lines = [n for n, accounted in enumerate(self._accounted) if not accounted]
        lines = [n for n in lines if self._has_words(n)]
        begin = 0
        for i, line in enumerate(lines):
            if i + 1 == len(lines) or lines[i + 1] != line + 1:
                start, end = self._starts[lines[begin]], self._starts[line + 1]
                yield self._piece(Kind.PARAGRAPH, start, end)
                begin = i + 1

    def _has_words(self, line: int) -> bool:
        start, end = self._starts[line], self._starts[line + 1]
        searchable = _WORD.search(self._text, start, end)
        return bool(searchable) and not _DEFINITION.match(self._text, start, end)

    def _close(self, i: int) -> int:
        """Index of the token that closes the one at ``i``."""
        level = self._tokens[i].level
        i += 1
        while self._tokens[i].level != level:
            i += 1
        return i

    def _span(self, token: Token) -> tuple[int, int]:
        first, last = _lines(token)
        return self._starts[first], self._starts[last]

    def _account(self, token: Token) -> None:
        first, last = _lines(token)
        self._accounted[first:last] = b"\x01" * (last - first)

    def _piece(self, kind: Kind, start: int, end: int) -> Piece:
        if quote := _QUOTE.match(self._text, start, end):
            start = quote.end()
        return Piece(kind, *trimmed(self._text, start, end))


def _lines(token: Token) -> Sequence[int]:
    """First line of a block token, and the line after its last."""
    return token.map or (0, 0)
