"""Chunks that were found lately, so that those found again need not be read again.

A few chunks are found for most questions. To read ten from SQLite takes a tenth of a search, and
lets go of the interpreter, for which other threads then wait.
"""

from __future__ import annotations

from corpus.types import Chunk

_MOST_CHARS = 4_000_000
"""Of the texts that are remembered: some 6,000 chunks, in 4 to 16 MB."""


class RecentChunks:
    """The chunks that were asked for last, by id. Safe to share between threads, without a lock.

    There are two halves. What is asked for moves into the newer one; when that is full, the older
    one is forgotten. Two threads that see it full at once forget both, which costs a few reads.
    """

    def __init__(self, most_chars: int = _MOST_CHARS) -> None:
        self._half = self._room = most_chars // 2
        self._newer, self._older = dict[int, Chunk](), dict[int, Chunk]()

    def get(self, chunk_id: int) -> Chunk | None:
        """The chunk of that id, if it is remembered."""
        newer = self._newer.get(chunk_id)
        if newer is not None:
            return newer
        older = self._older.get(chunk_id)
        if older is not None:
            self.add(older)
        return older

    def add(self, chunk: Chunk) -> None:
        """Remember a chunk."""
        if self._room <= 0:
            self._newer, self._older = {}, self._newer
            self._room = self._half
        self._newer[chunk.id] = chunk
        self._room -= len(chunk.text)
