"""What a reader makes of a file: canonical text, and the structure that chunking follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a block is. The chunker keeps tables and code apart from prose."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"  # one item, or a run of short ones
    TABLE = "table"  # one line per row, cells separated by " | ", the header row first
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Block:
    """A span of the text that belongs together.

    Blocks are in order, do not overlap, are never empty, and neither begin nor end with
    white space. Text that no block covers (blank lines, front matter, markup) is shown to
    readers of the document and not searched.
    """

    kind: Kind
    start: int  # code points into Parsed.text
    end: int
    headings: tuple[str, ...] = ()  # sections it stands in, outermost first, the title left out
    page: int | None = None  # 1-based, for paged formats


@dataclass(frozen=True, slots=True)
class Parsed:
    """One document as a reader found it."""

    text: str
    blocks: tuple[Block, ...]
    title: str | None = None  # None where the document itself does not say
    metadata: Mapping[str, str] = field(default_factory=dict)
    record_id: str | None = None  # a record's own id, for files that hold many documents


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of one file."""

    documents: tuple[Parsed, ...]
    encoding: str = ""  # as it was decoded, e.g. "utf-8", "utf-16-le", "cp1252"
    remarks: tuple[str, ...] = ()  # what a user should know: records left out, text kept as is


Reader = Callable[[bytes], Reading]
"""Raises :class:`corpus.errors.UnreadableSource` with the reason; never returns half a file."""
