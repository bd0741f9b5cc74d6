"""Holding an answer back, sentence by sentence, until each has been judged.

A sentence is complete when the first word of the next one is: its markers may follow its
full stop. What is let out, and when, does not depend on how the text was cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rag.answers import Cite, is_abstention
from rag.checking.claims import is_claim, says_something, sentences

_WORD_ENDS = re.compile(r"(?<=\S)\s|(?<=[。！？｡」』”])[^\s。！？｡」』”)）]")


@dataclass(frozen=True, slots=True)
class Passed:
    """A sentence that may be said."""

    before: str  # white space between it and what was said last
    pieces: tuple[str | Cite, ...]


Judge = Callable[[Sequence[str | Cite]], Sequence[str | Cite] | None]
"""Takes a claim with its citations; gives what of it may be said, None for nothing."""


class SentenceGate:
    """Lets sentences through that a judge has passed.

    What claims nothing, a heading or an announcement, goes through with the next sentence
    that does, and is dropped where none follows.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._text = ""  # not judged yet
        self._cites: list[tuple[int, Cite]] = []  # where in it they stand
        self._seen = 0  # how far ends of words have been looked for
        self._space = ""  # before the next sentence
        self._waiting: list[Passed] = []
        self._has_passed = False
        self.withheld = 0

    def add(self, piece: str | Cite) -> list[Passed]:
        """Take the next piece; give the sentences that have passed by now, in order."""
        if isinstance(piece, Cite):
            self._cites.append((len(self._text), piece))
            return []
        self._text += piece
        passed: list[Passed] = []
        while end := _WORD_ENDS.search(self._text, self._seen):
            self._seen = end.end()
            spans = sentences(self._text[: end.end()])
            if len(spans) > 1:
                passed += self._settle(spans, spans[-1][0])
        return passed

    def end(self) -> list[Passed]:
        """Nothing follows: what is held back is complete."""
        return list(self._settle([*sentences(self._text), (len(self._text),) * 2], len(self._text)))

    def _settle(self, spans: Sequence[tuple[int, int]], until: int) -> list[Passed]:
        """Judge all sentences but the last, and forget the text before ``until``."""
        passed: list[Passed] = []
        at = 0
        for (start, end), (following, _) in pairwise(spans):
            self._space = _wider(self._space, self._text[at:start])
            passed += self._judged(start, end, following)
            at = end
        self._space = _wider(self._space, self._text[at:until])
        self._text, self._seen = self._text[until:], max(0, self._seen - until)
        self._cites = [(place - until, cite) for place, cite in self._cites if place > until]
        return passed

    def _judged(self, start: int, end: int, following: int) -> list[Passed]:
        pieces = self._pieces(start, end, following)
        sentence = self._text[start:end]
        if is_abstention(sentence) and says_something(sentence):
            self._waiting.clear()
            return self._pass([sentence])
        if len(pieces) == 1 and not is_claim(sentence):
            self._wait(pieces)
            return []
        kept = self._judge(pieces)
        if kept is None:
            self.withheld += 1
            return []
        return self._pass(kept)

    def _wait(self, pieces: Sequence[str | Cite]) -> None:
        before = self._space if self._has_passed or self._waiting else ""
        self._waiting.append(Passed(before, tuple(pieces)))
        self._space = ""

    def _pass(self, pieces: Sequence[str | Cite]) -> list[Passed]:
        self._wait(pieces)
        passed, self._waiting = self._waiting, []
        self._has_passed = True
        return passed

    def _pieces(self, start: int, end: int, following: int) -> list[str | Cite]:
        return list(
            _interleaved(
                self._text,
                start,
                end,
                [(place, cite) for place, cite in self._cites if start < place <= following],
            )
        )


def _interleaved(
    text: str, start: int, end: int, cites: Sequence[tuple[int, Cite]]
) -> Iterator[str | Cite]:
    at = start
    for place, cite in cites:
        if at < min(place, end):
            yield text[at : min(place, end)]
            at = min(place, end)
        yield cite
    if at < end:
        yield text[at:end]


def _wider(space: str, other: str) -> str:
    """Of the white space around what was left out, that which parts more."""
    return max(other, space, key=lambda one: (one.count("\n"), len(one)))
