"""HTML: the text of the main content, without navigation, scripts and hidden elements.

The content is read in the narrowest scope that keeps enough of the page: its main element, else
the body without page furniture (navigation, banners, footers, asides, form controls), else all
that can be seen. A scope that holds less than a third of the page's words outside links is given
up for the next, and the remarks say so: a template that marks the wrong element costs nothing.

lxml builds the tree under Beautiful Soup. Fed that way it has no depth limit (by itself it drops
what is nested deeper than 255) and takes linear time where html.parser takes quadratic
(60 KB of ``<a ``: 60 s); the tree is walked without recursion. What remains is memory, about
1 KB per tag, hence the limit on tags.

Link targets are kept when they lead somewhere by themselves (http or https), once per page and
outside headings and tables: "the form (https://...)" is an answer, a relative path is not.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import islice

from corpus.errors import UnreadableSource
from corpus.importing import without
from ingest import decoding
from ingest.parsed import Kind, Parsed, Reading
from ingest.readers import html_rules as rules
from ingest.readers.page import Page, fold
from ingest.readers.spans import Piece, sectioned

with without("soupsieve", "charset_normalizer"), warnings.catch_warnings():
    # Selectors, and a guess at an encoding: neither is asked for, and they take half of the import.
    warnings.filterwarnings("ignore", "The soupsieve package is not installed")
    from bs4 import BeautifulSoup, CData, NavigableString, Tag
    from bs4.element import PageElement, PreformattedString

_FLOOR = 1 / 3  # of the characters outside links that a scope must keep
_MAX_TAGS = 250_000  # at most 6 s and 350 MB
_MAX_CELL = 1000  # characters: a longer one makes the table a layout
_MAX_TITLE = 200
_MAX_HREF = 200
_NEAR = 50  # nodes
_HEAD_BYTES = 4096  # where a declaration of the encoding is looked for
_CHARSET = re.compile(
    rb"<(?:meta|\?xml)\b[^>]*?\b(?:charset|encoding)\s*=\s*[\"']?([\w.:-]+)", re.I
)
_PERMALINK = ("¶", "#", "§", "🔗")


class _Scope(IntEnum):
    MAIN = 0
    BODY = 1
    EVERYTHING = 2


def read(data: bytes) -> Reading:
    """Read an HTML file.

    :raises UnreadableSource: when the bytes are no text, or hold more tags than memory allows.
    """
    declared = _CHARSET.search(data[:_HEAD_BYTES])
    text, encoding = decoding.decode(data, declared[1].decode("ascii") if declared else None)
    if (tags := text.count("<")) > _MAX_TAGS:
        raise UnreadableSource(
            f"holds {tags:,} tags, more than the {_MAX_TAGS:,} that are taken apart; split it"
        )
    soup = _tree(text)
    survey = _survey(soup)  # not its body: text may stand after it
    page, remarks = _content(soup, survey)
    title, said_by = _title(soup, page, trusted=bool(survey.mains))
    document = Parsed(page.text, sectioned(page.pieces, said_by), title, _metadata(soup))
    soup.clear(decompose=True)  # a tree is full of circles, which only the collector would free
    return Reading((document,), encoding, (*decoding.remarks(encoding), *remarks))


def _tree(text: str) -> BeautifulSoup:
    # As the standard has it, newlines are LF. Beautiful Soup warns of markup that begins with an
    # XML declaration or, having no tag, might be a file name: neither is a mistake here.
    markup = text.replace("\r\n", "\n").replace("\r", "\n")
    return BeautifulSoup(f"\n{markup}" if "<" in markup else f"<p>{markup}", "lxml")


@dataclass(slots=True)
class _Survey:
    """What a page holds, before anything is left out."""

    mains: list[Tag] = field(default_factory=list)  # main elements, else articles; none nested
    seen: int = 0  # characters that can be seen
    outside_links: int = 0  # of these, those outside links and form controls


def _survey(body: Tag) -> _Survey:
    survey, articles = _Survey(), list[Tag]()
    pending: list[tuple[PageElement, bool, bool, bool]] = [(body, False, False, False)]
    while pending:
        node, linked, in_main, in_article = pending.pop()
        if not isinstance(node, Tag):
            size = len(fold(str(node))) if _is_text(node) else 0
            survey.seen += size
            survey.outside_links += 0 if linked else size
        elif not rules.is_unseen(node.name, node.attrs):
            linked = linked or node.name == "a" or node.name in rules.CONTROLS
            if (node.name == "main" or rules.role(node.attrs) == "main") and not in_main:
                survey.mains.append(node)
                in_main = True
            if node.name == "article" and not in_article:
                articles.append(node)
                in_article = True
            pending.extend(
                (child, linked, in_main, in_article) for child in reversed(node.contents)
            )
    survey.mains = survey.mains or articles
    return survey


def _content(body: Tag, survey: _Survey) -> tuple[Page, list[str]]:
    """The page in the narrowest scope that keeps enough of it."""
    remarks: list[str] = []
    for scope in _Scope if survey.mains else (_Scope.BODY, _Scope.EVERYTHING):
        page = Page()
        for root in survey.mains if scope is _Scope.MAIN else [body]:
            _Walk(page, scope).over(root)
        kept = len(page.text)
        if kept >= _FLOOR * survey.outside_links and (kept or not survey.seen):
            break
        if scope is not _Scope.EVERYTHING:
            what = "its main content" if scope is _Scope.MAIN else "what is no navigation"
            remarks = [f"{what} holds {kept} of {survey.seen} characters, so more was kept"]
    return page, remarks


def _is_text(node: PageElement) -> bool:
    return isinstance(node, CData) or not isinstance(node, PreformattedString)


def _is_titled(header: Tag) -> bool:
    """Whether a header holds a first-level heading, not too far down: nested headers are many."""
    near = islice(header.descendants, _NEAR)
    return any(isinstance(node, Tag) and node.name == "h1" for node in near)


class _Walk:
    """Writes what an element holds onto a page, without recursion."""

    def __init__(self, page: Page, scope: _Scope) -> None:
        self._page = page
        self._scope = scope
        self._articles = 0  # open elements that headers and footers belong to
        self._heading = 0  # level of the open heading
        self._lists: list[int | None] = []  # open lists: the next number, None where unordered
        self._items: list[str] = []  # open items: their marker, empty once it was written
        self._targets: set[str] = set()

    def over(self, root: Tag) -> None:
        """Write everything below ``root``."""
        self._articles = int(self._scope is _Scope.MAIN and root.name == "article")
        stack: list[tuple[Iterator[PageElement], Tag, int]] = [(iter(root.contents), root, 0)]
        while stack:
            children, tag, mark = stack[-1]
            node = next(children, None)
            if node is None:
                stack.pop()
                if stack:
                    self._leave(tag, mark)
            elif not isinstance(node, Tag):
                if isinstance(node, NavigableString) and _is_text(node):
                    self._page.write(node)
            elif not self._is_skipped(node) and not self._is_whole(node):
                stack.append((iter(node.contents), node, self._page.mark))
                self._enter(node)
        self._end_block()

    def _is_skipped(self, tag: Tag) -> bool:
        if self._scope is _Scope.EVERYTHING or rules.is_unseen(tag.name, tag.attrs):
            return rules.is_unseen(tag.name, tag.attrs)
        if tag.name in rules.CONTROLS:
            return not (self._heading and tag.name == "button")  # headings that fold a section
        if rules.is_furniture(tag.name, tag.attrs):
            return True
        if self._articles or tag.name not in ("header", "footer", "aside"):
            return False
        if self._scope is _Scope.MAIN:  # there, asides are notes and headers hold the title
            return tag.name == "footer"
        return tag.name != "header" or not _is_titled(tag)

    def _is_whole(self, tag: Tag) -> bool:
        """Write an element that is not walked into; whether it was one."""
        if tag.name == "br":
            if self._heading:
                self._page.write(" ")
            else:
                self._page.line_break()
        elif tag.name == "img":
            self._page.write(rules.attribute(tag.attrs, "alt"))
        elif tag.name == "pre" and not self._heading:
            self._end_block()
            self._page.add_code(self._code(tag))
        elif tag.name == "table" and not self._heading and (rows := self._rows(tag)):
            self._end_block()
            for caption in tag.find_all("caption", recursive=False):
                self._page.write(self._cell(caption) or caption.get_text(" "))
                self._end_block()
            self._page.add_table(rows)
        else:
            return False
        return True

    def _enter(self, tag: Tag) -> None:
        if tag.name == "article":
            self._articles += 1
        if tag.name in rules.HEADINGS and not self._heading:
            self._end_block()
            self._heading = rules.HEADINGS[tag.name]
        elif "-" in tag.name:
            self._page.write(" ")  # a custom element: inline, but its words are its own
        elif tag.name in rules.BLOCKS:
            self._end_block()
            if tag.name in rules.LISTS:
                start = rules.attribute(tag.attrs, "start")
                first = int(start) if start.isdecimal() and len(start) < 7 else 1
                self._lists.append(first if tag.name == "ol" else None)
            elif tag.name == "li":
                self._items.append(self._marker())

    def _leave(self, tag: Tag, mark: int) -> None:
        if tag.name == "article":
            self._articles -= 1
        if tag.name in rules.HEADINGS and self._heading == rules.HEADINGS[tag.name]:
            self._page.end_heading(self._heading)
            self._heading = 0
        elif tag.name == "a":
            self._link(tag, mark)
        elif "-" in tag.name:
            self._page.write(" ")
        elif tag.name in rules.BLOCKS:
            self._end_block()
            if tag.name in rules.LISTS:
                self._lists.pop()
            elif tag.name == "li":
                self._items.pop()

    def _end_block(self) -> None:
        if self._heading:
            self._page.write(" ")
        elif not self._items:
            self._page.end_prose()
        elif self._page.end_item(self._items[-1], max(len(self._lists) - 1, 0)):
            self._items[-1] = ""

    def _marker(self) -> str:
        number = self._lists[-1] if self._lists else None
        if number is None:
            return "- "
        self._lists[-1] = number + 1
        return f"{number}. "

    def _link(self, tag: Tag, mark: int) -> None:
        target, words = rules.attribute(tag.attrs, "href"), self._page.since(mark)
        if self._heading and target.startswith("#") and words in _PERMALINK:
            self._page.drop(mark)
            return
        wanted = target.lower().startswith(("http://", "https://")) and len(target) <= _MAX_HREF
        if not wanted or not words or self._heading or "://" in words or target in self._targets:
            return
        self._targets.add(target)
        self._page.write(f" ({target})")

    def _visible(self, tag: Tag) -> Iterator[PageElement]:
        """What is not skipped below ``tag``: strings and tags, block tags again at their end."""
        pending: list[tuple[PageElement, bool]] = [
            (child, True) for child in reversed(tag.contents)
        ]
        while pending:
            node, begins = pending.pop()
            if not isinstance(node, Tag):
                if _is_text(node):
                    yield node
            elif not begins:
                yield node
            elif not self._is_skipped(node):
                yield node
                if node.name in rules.BLOCKS:
                    pending.append((node, False))
                pending.extend((child, True) for child in reversed(node.contents))

    def _code(self, pre: Tag) -> str:
        return "".join(
            str(node) if isinstance(node, NavigableString) else "\n"
            for node in self._visible(pre)
            if isinstance(node, NavigableString) or (isinstance(node, Tag) and node.name == "br")
        )

    def _rows(self, table: Tag) -> list[list[str]]:
        """The cells of a table, header rows first; empty when it is a layout."""
        parts: dict[str, list[list[str]]] = {"thead": [], "tbody": [], "tfoot": []}
        pending = [(child, "tbody") for child in reversed(table.contents)]
        while pending:
            node, part = pending.pop()
            if isinstance(node, Tag):
                if node.name == "tr":
                    cells = self._cells(node)
                    if cells is None:
                        return []
                    parts[part].append(cells)
                elif node.name in parts:
                    pending.extend((child, node.name) for child in reversed(node.contents))
                elif node.name not in rules.BESIDE_ROWS and not self._is_skipped(node):
                    return []
            elif _is_text(node) and str(node).strip():
                return []
        rows = [*parts["thead"], *parts["tbody"], *parts["tfoot"]]
        is_layout = rules.role(table.attrs) in ("presentation", "none")
        return [] if is_layout or max(map(len, rows), default=0) < 2 else rows

    def _cells(self, row: Tag) -> list[str] | None:
        """The texts of a row's cells; ``None`` when they are parts of a layout."""
        cells: list[str] = []
        for cell in row.contents:
            if isinstance(cell, Tag):
                if self._is_skipped(cell):
                    continue
                words = self._cell(cell) if cell.name in ("td", "th") else None
                if words is None:
                    return None
                cells.append(words)
            elif _is_text(cell) and str(cell).strip():
                return None
        return cells

    def _cell(self, cell: Tag) -> str | None:
        words: list[str] = []
        for node in self._visible(cell):
            if not isinstance(node, Tag):
                words.append(str(node))
            elif node.name in rules.LAYOUT:
                return None
            elif node.name == "img":
                words.append(rules.attribute(node.attrs, "alt"))
            elif node.name == "br" or node.name in rules.BLOCKS:
                words.append(" ")
        text = fold("".join(words))
        return text if len(text) <= _MAX_CELL else None


def _title(soup: BeautifulSoup, page: Page, *, trusted: bool) -> tuple[str | None, Piece | None]:
    """Title of the page, and the heading that says it, if one does.

    A single first-level heading is better than the title element, which names the site too, when
    it stands in marked content or within that title; elsewhere it may be the site's own name.
    """
    stated = _stated_title(soup)
    headings = [piece for piece in page.pieces if piece.kind is Kind.HEADING]
    firsts = [piece for piece in headings if piece.level == 1]
    if len(firsts) == 1 and len(firsts[0].words) <= _MAX_TITLE:
        words = firsts[0].words
        if trusted or not stated or words.casefold() in stated.casefold():
            return words, firsts[0]
    if not stated:
        return None, None
    same = (p for p in headings[:1] if p.words.casefold() == stated.casefold())
    return stated, next(same, None)


def _stated_title(soup: BeautifulSoup) -> str:
    title = soup.head.find("title") if soup.head else None
    words = fold(title.get_text()) if title else ""
    return words if len(words) <= _MAX_TITLE else ""


def _metadata(soup: BeautifulSoup) -> dict[str, str]:
    found: dict[str, str] = {}
    for meta in soup.head.find_all("meta") if soup.head else ():
        name = rules.attribute(meta.attrs, "name") or rules.attribute(meta.attrs, "property")
        key = rules.METADATA.get(name.lower())
        value = fold(rules.attribute(meta.attrs, "content"))
        if key and value:
            found.setdefault(key, value)
    if soup.html and (lang := rules.attribute(soup.html.attrs, "lang")):
        found["lang"] = lang
    return found
