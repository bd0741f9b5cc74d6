"""From hits to passages: what an engine is shown, numbered, sentence by sentence.

Nothing is shown twice: of hits that overlap within a document, and of near duplicates
(:mod:`rag.duplicates`), the better one is shown, and its place goes to the next hit.
Neighbours are shown as one passage (:mod:`rag.neighbours`), in the place of the better.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from corpus.sentences import sentence_spans
from corpus.types import Chunk, Hit
from rag.answers import Dropped, Passage, Sentence
from rag.duplicates import Text, asked_words, repeats
from rag.neighbours import Between, Group, alone, contains, joined, overlap


def build(
    hits: Iterable[Hit],
    k: int | None = None,
    *,
    asked: str = "",
    between: Between | None = None,
) -> tuple[tuple[Passage, ...], tuple[Dropped, ...]]:
    """Number the hits that say something new, best first.

    :param k: passages at most; hits after the last of them are not looked at.
    :param asked: the question: what it asks for tells near duplicates apart.
    :param between: reads documents, to put neighbours together; without it they stay apart.
    :return: the passages, and the hits that are in none, with the reason.
    """
    choice = _Choice(asked, between)
    for hit in hits:
        if k is not None and len(choice) >= k:
            break
        choice.take(hit)
    shown = tuple(_passage(number, one) for number, one in enumerate(choice.groups, start=1))
    return shown, choice.dropped()


@dataclass(frozen=True, slots=True)
class _Left:
    """A hit that is not shown, because of another that is."""

    hit: Hit
    how: str
    because: Hit


class _Choice:
    """Takes hits, best first, and keeps what they come to."""

    def __init__(self, asked: str, between: Between | None) -> None:
        self._asked, self._between = asked_words(asked), between
        self._texts: list[tuple[Text, Hit]] = []  # of all that is shown
        self._left: list[_Left] = []
        self._groups: dict[int, Group] = {}  # by the rank of the best, in that order

    @property
    def groups(self) -> list[Group]:
        """What is shown, best first."""
        return list(self._groups.values())

    def __len__(self) -> int:
        return len(self._groups)

    def take(self, hit: Hit) -> None:
        """Show a hit, alone or with its neighbours, or leave it out."""
        document = hit.chunk.document_id
        beside = [one for one in self._groups.values() if one.chunk.document_id == document]
        group = self._join(hit, beside)
        text = Text(hit.chunk)
        if left := _covered(hit, group, beside) or self._repeated(hit, text):
            self._left.append(left)
            return
        self._texts.append((text, hit))
        self._groups[group.best.rank] = group  # where it has neighbours, their place is taken
        for other in group.hits[1:]:
            self._groups.pop(other.rank, None)

    def _join(self, hit: Hit, beside: Iterable[Group]) -> Group:
        """A hit with those of its neighbours that there is room for, the best first."""
        group = alone(hit)
        if self._between is not None:
            for other in beside:
                group = joined(group, other, self._between) or group
        return group

    def _repeated(self, hit: Hit, text: Text) -> _Left | None:
        """Why it need not be shown: another one says it."""
        for old, other in self._texts:
            how = repeats(text, old, self._asked)
            if how and not overlap(hit.chunk, other.chunk):
                return _Left(hit, how, other)
        return None

    def dropped(self) -> tuple[Dropped, ...]:
        """What was left out, best first, with the passage because of which it was."""
        numbers = {
            hit.rank: number
            for number, group in enumerate(self.groups, start=1)
            for hit in group.hits
        }
        return tuple(
            Dropped(
                left.hit.chunk.document_id,
                left.hit.chunk.start,
                left.hit.chunk.end,
                f"{left.how} passage {numbers[left.because.rank]}",
            )
            for left in self._left
        )


def _covered(hit: Hit, group: Group, beside: Iterable[Group]) -> _Left | None:
    """Why a hit must not be shown: some of its characters are, and it cannot be joined."""
    for one in beside:
        if overlap(one.chunk, group.chunk):
            apart = all(one.best is not other for other in group.hits)
            if apart or contains(one.chunk, hit.chunk):
                return _Left(hit, "overlaps", one.best)
    return None


def _passage(number: int, group: Group) -> Passage:
    chunk, best = group.chunk, group.best
    sentences = tuple(
        Sentence(chunk.start + start, chunk.start + end, chunk.text[start:end])
        for start, end in sentence_spans(chunk.text)
        if not _is_heading(chunk, chunk.text[start:end])
    )
    return Passage(number, chunk, best.score, best.scores, sentences, group.hits)


def _is_heading(chunk: Chunk, sentence: str) -> bool:
    """Headings are told with every passage; as sentences they would say nothing."""
    return sentence.strip("#=- \n") in {chunk.title, *chunk.headings}
