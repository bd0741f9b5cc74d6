"""What a citation opens, and what its claim is checked against."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag.answers import Citation, Cite, Passage, Verdict
from rag.checking.verdicts import Check, adds, check

_REFERS_BACK = re.compile(
    r"\b(?:he|she|it|they|him|them|his|her|its|their|this|these|those|such"
    r"|the former|the latter)\b",
    re.IGNORECASE,
)
_SENTENCES_BACK = 2


@dataclass(frozen=True, slots=True)
class Opened:
    """The characters that a citation opens."""

    passage: Passage
    start: int  # into the document's text
    end: int
    quote: str
    level: str  # "sentence" or "passage"
    context: str  # where its names may stand as well

    def check(self, claim: str) -> Check:
        """Hold a claim against it."""
        return check(claim, self.quote, self.context)

    def citation(self, marker: str, checked: Check, claim: tuple[int, int]) -> Citation:
        """It as a citation of an answer.

        :param claim: span of the answer's text.
        """
        chunk = self.passage.chunk
        return Citation(
            marker=marker,
            document_id=chunk.document_id,
            title=chunk.title,
            start=self.start,
            end=self.end,
            quote=self.quote,
            headings=chunk.headings,
            page=chunk.page,
            score=self.passage.score,
            verdict=checked.verdict,
            answer_start=claim[0],
            answer_end=claim[1],
            level=self.level,
            missing=checked.missing,
        )


class Shown:
    """The passages that an engine was shown, to be opened by citations."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = {passage.number: passage for passage in passages}

    def open(self, cite: Cite) -> Opened | None:
        """What a citation opens; None where that was not shown."""
        passage = self._passages.get(cite.passage)
        if passage is None:
            return None
        if cite.sentence is None:
            chunk = passage.chunk
            above = "\n".join((chunk.title, *chunk.headings))
            return Opened(passage, chunk.start, chunk.end, chunk.text, "passage", above)
        if not 1 <= cite.sentence <= len(passage.sentences):
            return None
        sentence = passage.sentences[cite.sentence - 1]
        context = _context(passage, cite.sentence - 1)
        return Opened(passage, sentence.start, sentence.end, sentence.text, "sentence", context)

    def check(self, claim: str, opened: Sequence[Opened]) -> list[Check]:
        """Hold a claim against each of the citations that it has in a row.

        Sentences of one passage that are needed together, because none of them holds all of
        the claim, hold it up together: so does the passage that is cited as a whole.
        """
        checks = [one.check(claim) for one in opened]
        for passage in {one.passage.number: one.passage for one in opened}.values():
            places = [at for at, one in enumerate(opened) if one.passage is passage]
            if len(places) < 2 or not self._hold(claim, [opened[at] for at in places]):
                continue
            for at in places:
                others = [opened[other] for other in places if other != at]
                checks[at] = self._beside(claim, opened[at], checks[at], others)
        return checks

    def _beside(self, claim: str, one: Opened, own: Check, others: Sequence[Opened]) -> Check:
        """What a citation comes to beside others with which it holds up a claim."""
        is_needed = adds(claim, one.quote, "\n".join(other.quote for other in others))
        if own.verdict is Verdict.PARTIAL and (is_needed or not self._hold(claim, others)):
            return Check(Verdict.SUPPORTED)
        if own.verdict is Verdict.UNSUPPORTED and is_needed:
            return Check(Verdict.UNCHECKED)
        return own

    def _hold(self, claim: str, opened: Sequence[Opened]) -> bool:
        in_order = sorted(opened, key=lambda one: one.start)
        whole = replace(
            in_order[0],
            quote="\n".join(one.quote for one in in_order),
            context="\n".join(dict.fromkeys(one.context for one in in_order)),
        )
        return whole.check(claim).holds


def _context(passage: Passage, at: int) -> str:
    """Title and headings of a sentence, and what it refers back to: "He was ..."."""
    above = [passage.chunk.title, *passage.chunk.headings]
    if _REFERS_BACK.search(passage.sentences[at].text):
        above += [one.text for one in passage.sentences[max(0, at - _SENTENCES_BACK) : at]]
    return "\n".join(above)
