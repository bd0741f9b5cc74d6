"""From what an engine says to an answer whose claims can be opened.

A citation names a sentence of a passage, so it cannot point at nothing; what it opens is
``document.text[start:end]`` of the snapshot that answered. The claim that a citation
supports is the text since the one before it; citations in a row support the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.answers import Citation, Cite, Passage, Piece, Sentence, Verdict

_NUMBER = re.compile(r"(?<![\w.,])[-−]?\d+(?:[.,:/-]\d+)*")
_WORD = re.compile(r"[^\W\d_][\w'’-]*")
_SPACE = re.compile(r"\s+")


class AnswerWriter:
    """Puts the pieces of an engine together and gives each citation its number.

    The same sentence cited twice keeps its number.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = {passage.number: passage for passage in passages}
        self._markers: dict[tuple[int, int], str] = {}
        self._claim = (0, 0)  # span of what the last citation supports
        self._said_until = 0  # where the text after the last marker begins
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
        self._said_until = len(self._text)
        self.citations.append(citation)
        return added, citation

    def _cite(self, cite: Cite, passage: Passage) -> Citation:
        sentence = passage.sentences[cite.sentence - 1]
        number = str(len(self._markers) + 1)
        start, end = self._claim = self._claimed()
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
            verdict=verdict(self._text[start:end], sentence),
            answer_start=start,
            answer_end=end,
        )

    def _claimed(self) -> tuple[int, int]:
        """The text since the last marker; where there is none, both cite the same."""
        said = self._text[self._said_until :]
        if not said.strip():
            return self._claim
        start = self._said_until + len(said) - len(said.lstrip())
        return start, self._said_until + len(said.rstrip())


def verdict(claim: str, sentence: Sentence) -> Verdict:
    """Check a claim against the characters it cites, by rule and not by a model."""
    said, cited = _folded(claim), _folded(sentence.text)
    if said and _stands_in(said, cited):
        return Verdict.VERBATIM
    particulars = _particulars(said)
    found = particulars & _particulars(cited)
    if not particulars:
        return Verdict.UNCHECKED
    if found == particulars:
        return Verdict.SUPPORTED
    return Verdict.PARTIAL if found else Verdict.UNSUPPORTED


def _particulars(text: str) -> set[str]:
    """What can be checked word for word: numbers with their sign, and capitalised words."""
    return {*_NUMBER.findall(text), *(one for one in _WORD.findall(text) if one[0].isupper())}


def _stands_in(said: str, cited: str) -> bool:
    """Whether a text stands in another one whole, and not as part of a word or a number."""
    before = r"(?<!\w)(?<!\d[.,])" if said[0].isalnum() else ""
    after = r"(?!\w)(?![.,]\d)" if said[-1].isalnum() else ""
    return re.search(before + re.escape(said) + after, cited) is not None


def _folded(text: str) -> str:
    return _SPACE.sub(" ", text).strip()
