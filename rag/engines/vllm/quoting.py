"""Answers that are quotes and nothing else, held to it while they are decoded.

The model may write ids of sentences that it was shown, or the phrase that says that the
documents do not say; vLLM's structured outputs let no other token through. Each id becomes
the sentence itself, so a quote is a sentence of a passage by construction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from rag.answers import CANNOT_ANSWER, Cite, Passage
from rag.engines.vllm.markers import Markers

_MAX_QUOTES = 5


def constraint(passages: Iterable[Passage]) -> str:
    """The regular expression that the model's answer is held to."""
    ids = [
        re.escape(f"{passage.number}.{number}")
        for passage in passages
        for number in range(1, len(passage.sentences) + 1)
    ]
    one = rf"\[({'|'.join(ids)})\]"
    return rf"({re.escape(CANNOT_ANSWER)}|{one}( {one}){{0,{_MAX_QUOTES - 1}}})"


class Quotes:
    """Turns ids into the sentences that they name, each once, with its citation."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._sentences = {passage.number: passage.sentences for passage in passages}
        self._markers = Markers(passages)
        self._quoted: set[Cite] = set()

    def feed(self, text: str) -> list[str | Cite]:
        """Take more text."""
        return list(self._quotes(self._markers.feed(text)))

    def end(self) -> list[str | Cite]:
        """There is no more text."""
        return list(self._quotes(self._markers.end()))

    def _quotes(self, pieces: Iterable[str | Cite]) -> Iterator[str | Cite]:
        for piece in pieces:
            if isinstance(piece, str):
                yield from [piece] if piece.strip() else []
            elif piece.sentence is not None and piece not in self._quoted:
                if self._quoted:
                    yield "\n"
                self._quoted.add(piece)
                yield self._sentences[piece.passage][piece.sentence - 1].text
                yield piece
