"""Which chunks hold which words: how telling a word is, and where several stand together."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable

from corpus.snapshot import Snapshot
from rag.terms import Terms

_LONG = 10  # characters; a longer word tells no more
_BY_LENGTH = 0.3  # of rarity, for each character


class WordChunks:
    """Which chunks of a snapshot hold which terms. For one thread."""

    def __init__(self, snapshot: Snapshot, step: Callable[[str], None]) -> None:
        self.terms = Terms()
        self._chunks: dict[str, array[int]] = {}
        self._document: list[str] = []  # of each chunk
        for name in sorted(snapshot.documents):
            for chunk in snapshot.chunks_of(name):
                text = "\n".join((chunk.title, *chunk.headings, chunk.text))
                for term in set(self.terms.all(text)):
                    self._chunks.setdefault(term, array("L")).append(len(self._document))
                self._document.append(name)
            step(name)

    def weight(self, word: str) -> float:
        """How telling a word is: rare ones are, and of those the long ones."""
        held = min((len(self._chunks.get(one, ())) for one in self.terms.all(word)), default=0)
        rarity = math.log(len(self._document) / held) if held else 0.0
        return rarity + _BY_LENGTH * min(len(word), _LONG)

    def stand_together_elsewhere(self, terms: Iterable[str], document: str) -> bool:
        """Whether a chunk of another document holds all of these terms."""
        rarest, *others = sorted((set(self._chunks.get(term, ())) for term in terms), key=len)
        together = rarest.intersection(*others)
        return any(self._document[chunk] != document for chunk in together)
