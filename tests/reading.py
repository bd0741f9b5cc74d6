"""What the tests of the readers share: the promises every reader keeps."""

from __future__ import annotations

import re

from ingest.parsed import Kind, Parsed, Reading

WORD = re.compile(r"\w+")


def checked(reading: Reading) -> Reading:
    """The same reading, after its blocks were seen to be what :class:`ingest.parsed.Block` says."""
    for document in reading.documents:
        end = 0
        for block in document.blocks:
            words = document.text[block.start : block.end]
            assert end <= block.start < block.end <= len(document.text)
            assert words == words.strip()
            end = block.end
        document.text.encode("utf-8")  # no half of a surrogate pair
    return reading


def blocks(document: Parsed, kind: Kind | None = None) -> list[str]:
    """The words of the blocks, of one kind if it is named."""
    return [
        document.text[block.start : block.end]
        for block in document.blocks
        if kind in (None, block.kind)
    ]


def unsearched(document: Parsed) -> list[str]:
    """Words of the text that no block covers."""
    covered = bytearray(len(document.text))
    for block in document.blocks:
        covered[block.start : block.end] = b"\x01" * (block.end - block.start)
    return [m.group() for m in WORD.finditer(document.text) if not all(covered[slice(*m.span())])]


def prose(document: Parsed) -> list[str]:
    """The words of everything but headings, which some renderings of a text add."""
    return [
        word
        for block in document.blocks
        if block.kind is not Kind.HEADING
        for word in WORD.findall(document.text[block.start : block.end])
    ]
