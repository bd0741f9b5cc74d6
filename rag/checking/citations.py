"""From what an engine says to an answer whose claims can be opened.

A citation names a sentence of a passage, or a passage, so it cannot point at nothing; what
it opens is ``document.text[start:end]`` of the snapshot that answered. The claim that it
supports is the sentence in which or directly after which it stands, from the citation
before it on; citations in a row support the same claim.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from corpus.sentences import Span
from rag.answers import Citation, Cite, Passage, Verdict, is_abstention
from rag.checking.cited import Opened, Shown
from rag.checking.claims import is_claim, says_something, sentences
from rag.checking.strict import Passed, SentenceGate
from rag.checking.verdicts import Check
from rag.events import Cited, Said

_JOINS = " \t\n,;:."  # between a citation and the rest of its sentence


@dataclass(frozen=True, slots=True)
class _Row:
    """Citations that follow each other, and what they support."""

    claim: Span  # into the text without markers
    end: int  # where they stand in it
    cites: tuple[Cite, ...]
    opened: tuple[Opened, ...]
    checks: tuple[Check, ...]


class AnswerWriter:
    """Puts the pieces of an engine together and gives each citation its number.

    The same sentence cited twice keeps its number; twice in a row it is cited once. Markers
    of citations in a row come when the row is over, because they are checked together.

    :param passages: what the engine was shown.
    :param strict: say only sentences whose every claim is held up, by a citation that is
        verbatim or supported, and no other citations. A sentence is held back until it and
        its citations are complete.
    """

    def __init__(self, passages: Sequence[Passage], *, strict: bool = False) -> None:
        self._shown = Shown(passages)
        self._gate = SentenceGate(self._judge) if strict else None
        self._markers: dict[Cite, str] = {}
        self._text = ""
        self._bare = ""  # the same without markers
        self._places: list[int] = []  # of the markers, in the text without them
        self._lengths = [0]  # of all markers so far, after each
        self._sentence = 0  # where the sentence of the last claim begins
        self._row: list[Cite] = []  # not written yet
        self._rows: list[_Row] = []
        self.citations: list[Citation] = []
        self.unknown_citations = 0

    @property
    def text(self) -> str:
        """The answer so far, markers included."""
        return self._text

    @property
    def withheld(self) -> int:
        """Sentences that ``strict`` has kept back."""
        return self._gate.withheld if self._gate else 0

    def add(self, piece: str | Cite) -> list[Said | Cited]:
        """Take the next piece.

        :return: what it adds to the answer, in order. A citation of what was not shown is
            dropped and counted.
        """
        if isinstance(piece, Cite) and self._shown.open(piece) is None:
            self.unknown_citations += 1
            return []
        return self._say(self._gate.add(piece)) if self._gate else self._take(piece)

    def finish(self) -> list[Said | Cited]:
        """Nothing follows: say what was held back. To be called once, at the end."""
        return [*(self._say(self._gate.end()) if self._gate else ()), *self._write_row()]

    def uncited(self) -> tuple[Span, ...]:
        """Sentences of the finished answer that claim something and cite nothing, as spans.

        The end of a sentence, after its last citation, is one where it says what that
        citation does not hold up.
        """
        found = (self._uncited_in(start, end) for start, end in sentences(self._bare))
        return tuple(self._in_text(*span) for span in found if span)

    def _take(self, piece: str | Cite) -> list[Said | Cited]:
        if isinstance(piece, Cite):
            if piece not in self._row:
                self._row.append(piece)
            return []
        if not piece:
            return []
        events = self._write_row()
        self._text += piece
        self._bare += piece
        return [*events, Said(piece)]

    def _say(self, passed: Iterable[Passed]) -> list[Said | Cited]:
        events: list[Said | Cited] = []
        for sentence in passed:
            events += self._take(sentence.before)
            self._sentence = len(self._bare)
            for piece in sentence.pieces:
                events += self._take(piece)
            events += self._write_row()
        return events

    def _write_row(self) -> list[Said | Cited]:
        """Number and check the citations in a row."""
        cites, self._row = self._row, []
        opened = [one for one in map(self._shown.open, cites) if one]
        if not opened:
            return []
        start, end = claim = self._claim()
        if end and is_abstention(self._bare[start:end]):
            return []  # that something is not said is said nowhere
        checks = self._shown.check(self._bare[start:end], opened)
        self._rows.append(_Row(claim, len(self._bare), tuple(cites), tuple(opened), tuple(checks)))
        span, events = self._in_text(start, end), list[Said | Cited]()
        for cite, one, checked in zip(cites, opened, checks, strict=True):
            marker = self._markers.setdefault(cite, str(len(self._markers) + 1))
            written = f" [{marker}]"
            self._text += written
            self._places.append(len(self._bare))
            self._lengths.append(self._lengths[-1] + len(written))
            self.citations.append(one.citation(marker, checked, span))
            events += [Said(written), Cited(self.citations[-1])]
        return events

    def _claim(self) -> Span:
        """What the citations at the end of the text support."""
        marked, claim = (self._rows[-1].end, self._rows[-1].claim) if self._rows else (0, (0, 0))
        if not says_something(self._bare[marked:]):
            return claim
        said = [
            (start, end)
            for start, end in sentences(self._bare, self._sentence)
            if says_something(self._bare[start:end])
        ]
        self._sentence, end = said[-1]
        start = max(self._sentence, marked)
        joins = _JOINS if start > self._sentence else ""
        return start + len(self._bare[start:end]) - len(self._bare[start:end].lstrip(joins)), end

    def _uncited_in(self, start: int, end: int) -> Span | None:
        rows = [row for row in self._rows if row.claim[0] < end and start < row.claim[1]]
        if not rows:
            return (start, end) if is_claim(self._bare[start:end]) else None
        after = max(row.end for row in rows)
        rest = self._bare[after:end].lstrip(_JOINS)
        if not says_something(rest):
            return None
        checks = self._shown.check(rest, rows[-1].opened)
        flagged = all(one.verdict in (Verdict.PARTIAL, Verdict.UNSUPPORTED) for one in checks)
        return (end - len(rest), end) if flagged else None

    def _in_text(self, start: int, end: int) -> Span:
        """A span of the text without markers, as one of the text with them."""
        if start == end:
            return 0, 0
        before, within = bisect_right(self._places, start), bisect_left(self._places, end)
        return start + self._lengths[before], end + self._lengths[max(before, within)]

    def _judge(self, pieces: Sequence[str | Cite]) -> Sequence[str | Cite] | None:
        """What ``strict`` lets be said of a sentence; None for nothing."""
        draft = AnswerWriter(())
        draft._shown = self._shown
        for piece in pieces:
            draft.add(piece)
        draft.finish()
        held: dict[Span, bool] = {}
        for row in draft._rows:
            held[row.claim] = held.get(row.claim, False) or any(one.holds for one in row.checks)
        if not held or not all(held.values()) or draft.uncited():
            return None
        fates = {
            (row.end, cite): checked.holds
            for row in draft._rows
            for cite, checked in zip(row.cites, row.checks, strict=True)
        }
        kept, at = list[str | Cite](), 0
        for piece in pieces:
            if isinstance(piece, str):
                at += len(piece)
            if isinstance(piece, str) or fates.get((at, piece)):
                kept.append(piece)
        return kept
