"""From what an engine says to an answer whose claims can be opened.

A citation names a sentence of a passage, so it cannot point at nothing; what it opens is
``document.text[start:end]`` of the snapshot that answered. The claim that a citation
supports is the text since the one before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.answers import Citation, Cite, Passage, Piece, Sentence, Verdict

_PARTICULAR = re.compile(r"\d[\d.,:/-]*\d|\d|\b[A-Z][\w-]+")
_SPACE = re.compile(r"\s+")


class AnswerWriter:
    """Puts the pieces of an engine together and gives each citation its number.

    The same sentence cited twice keeps its number.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = {passage.number: passage for passage in passages}
        self._markers: dict[tuple[int, int], str] = {}
        self._claim_start = 0
        self._text = ""
        self.citations: list[Citation] = []
        self.unknown_citations = 0

    @property
    def text(self) -> str:
        """The answer so far, markers included."""
        return self._text

    def add(self, piece: Piece) -> tuple[str, Citation | None]:
        """Take the next piece.

        :return: the text that it adds to the answer, and the citation it makes, if any. A
            citation of a sentence that was not shown is dropped and counted.
        """
        if isinstance(piece, str):
            self._text += piece
            return piece, None
        passage = self._passages.get(piece.passage)
        if passage is None or not 1 <= piece.sentence <= len(passage.sentences):
            self.unknown_citations += 1
            return "", None
        citation = self._cite(piece, passage)
        added = f" [{citation.marker}]"
        self._text += added
        self._claim_start = len(self._text)
        self.citations.append(citation)
        return added, citation

    def _cite(self, cite: Cite, passage: Passage) -> Citation:
        sentence = passage.sentences[cite.sentence - 1]
        number = str(len(self._markers) + 1)
        claim = self._text[self._claim_start :]
        start = self._claim_start + len(claim) - len(claim.lstrip())
        return Citation(
            marker=self._markers.setdefault((cite.passage, cite.sentence), number),
            document_id=passage.chunk.document_id,
            title=passage.chunk.title,
            start=sentence.start,
            end=sentence.end,
            quote=sentence.text,
            headings=passage.chunk.headings,
            page=passage.chunk.page,
            score=passage.score,
            verdict=verdict(claim, sentence),
            answer_start=start,
            answer_end=self._claim_start + len(claim.rstrip()),
        )


def verdict(claim: str, sentence: Sentence) -> Verdict:
    """Check a claim against the characters it cites, by rule and not by a model."""
    said, cited = _folded(claim), _folded(sentence.text)
    if said and said in cited:
        return Verdict.VERBATIM
    particulars = set(_PARTICULAR.findall(claim.strip()))
    if not particulars:
        return Verdict.UNCHECKED
    found = {one for one in particulars if re.search(rf"(?<!\w){re.escape(one)}(?!\w)", cited)}
    if found == particulars:
        return Verdict.SUPPORTED
    return Verdict.PARTIAL if found else Verdict.UNSUPPORTED


def _folded(text: str) -> str:
    return _SPACE.sub(" ", text).strip()
