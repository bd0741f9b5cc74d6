"""What a model writes, as it comes: thoughts taken out, markers turned into citations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from rag.answers import Cite, Passage, Piece, Thought
from rag.engines.vllm.markers import Markers
from rag.engines.vllm.quoting import Quotes
from rag.engines.vllm.thinking import Thinking, ends_inside, pairs_in
from rag.prompt.model import PromptModel
from rag.prompt.types import Prompt


class Reader(Protocol):
    """Reads the answer itself, cut anywhere, into text and citations."""

    def feed(self, text: str) -> list[str | Cite]:
        """Take more text."""

    def end(self) -> list[str | Cite]:
        """There is no more text."""


class Output:
    """Splits one generated text into the pieces of an answer.

    :param prompt: what the text goes on from; it may end within a thought.
    :param shows: whether thoughts are pieces too, or dropped.
    """

    def __init__(self, model: PromptModel, prompt: Prompt, reader: Reader, *, shows: bool) -> None:
        pairs = pairs_in(model.template.source)
        self._thinking = Thinking(pairs, inside=ends_inside(prompt.rendered.text, pairs))
        self._reader, self._shows = reader, shows
        self.has_answered = False  # whether anything but thoughts has come

    def feed(self, text: str) -> list[Piece]:
        """Take more text; give what is certain by now."""
        return self._read(self._thinking.feed(text), ())

    def end(self) -> list[Piece]:
        """There is no more text."""
        pieces = self._read(self._thinking.end(), ())
        return [*pieces, *self._read((), self._reader.end())]

    def _read(self, written: Iterable[str | Thought], read: Iterable[str | Cite]) -> list[Piece]:
        pieces: list[Piece] = list(read)
        for piece in written:
            if isinstance(piece, str):
                pieces += self._reader.feed(piece)
            elif self._shows:
                pieces.append(piece)
        self.has_answered |= any(not isinstance(piece, Thought) for piece in pieces)
        return pieces


def reader_of(passages: Sequence[Passage], constraint: str | None) -> Reader:
    """What reads an answer that was held to a constraint, or to none."""
    return Quotes(passages) if constraint else Markers(passages)


def writes_out_specials(model: PromptModel) -> bool:
    """Whether special tokens must be written out, because thoughts are marked with some."""
    return any(
        token in model.tokenizer.special
        for pair in pairs_in(model.template.source)
        for mark in pair
        for token in model.tokenizer.controls_in(mark)
    )
