"""Where the gold of a question stands in the documents of a snapshot.

Gold is found by its quote, so that neither another way of cutting nor a document that grew
at its beginning breaks a set. A quote that is not found is reported, and is no miss of the
search.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from corpus.errors import UnknownDocument
from corpus.snapshot import Snapshot
from rag.evaluation.folding import Folded, Span, fold, folded
from rag.evaluation.questions import Evidence, Item

NO_DOCUMENT = "the snapshot has no such document"
NO_QUOTE = "the document does not hold the quote"


@dataclass(frozen=True, slots=True)
class Gold:
    """A stretch of a document that answers: a hit is good when it overlaps it."""

    document: str
    start: int
    end: int
    quote: str  # as the set has it


@dataclass(frozen=True, slots=True)
class Lost:
    """Gold that is not in the snapshot."""

    question: str  # id
    document: str
    quote: str
    reason: str


class Locator:
    """Finds gold in one snapshot; keeps the texts that it has read. For one thread."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._texts: dict[str, str | None] = {}
        self._folded: dict[str, Folded] = {}

    def locate(self, item: Item) -> tuple[tuple[Gold, ...], tuple[Lost, ...]]:
        """The gold of a question, stretches that overlap made one; and what is not there."""
        found: list[Gold] = []
        lost: list[Lost] = []
        for evidence in item.evidence:
            text, quote = self.text(evidence.doc), evidence.quote or ""
            span = None if text is None else self._span(evidence, text)
            if span is not None:
                found.append(Gold(evidence.doc, *_around(item, evidence, span), quote))
            elif text is None:
                lost.append(Lost(item.id, evidence.doc, quote, NO_DOCUMENT))
            elif quote:
                lost.append(Lost(item.id, evidence.doc, quote, NO_QUOTE))
        return tuple(_merged(found)), tuple(lost)

    def text(self, document_id: str) -> str | None:
        """The text of a document; None where the snapshot has none of that id."""
        if document_id not in self._texts:
            try:
                self._texts[document_id] = self._snapshot.document(document_id).text
            except UnknownDocument:
                self._texts[document_id] = None
        return self._texts[document_id]

    def _span(self, evidence: Evidence, text: str) -> Span | None:
        """The place of a quote: the nearest to where it is said to be, or the first."""
        if evidence.page is not None and (page := self._page(evidence.doc, evidence.page)):
            return page
        start, quote = evidence.start, evidence.quote or ""
        if quote and start is not None and text.startswith(quote, start):
            return start, start + len(quote)
        if evidence.doc not in self._folded:
            self._folded[evidence.doc] = fold(text)
        places = self._folded[evidence.doc].find_all(folded(quote))
        near = start or 0
        return min(places, key=lambda place: abs(place[0] - near), default=None)

    def _page(self, document_id: str, page: int) -> Span | None:
        """What of a paged document is on a page; None where it has no such page."""
        chunks = [one for one in self._snapshot.chunks_of(document_id) if one.page == page]
        spans = [(one.start, one.end) for one in chunks]
        return (min(spans)[0], max(end for _, end in spans)) if spans else None


def _around(item: Item, evidence: Evidence, span: Span) -> Span:
    """The paragraph that a quote stands in, where the set names one; else the quote itself.

    The paragraph has moved in the document by as much as the quote has.
    """
    around = item.paragraph
    if around is None or around.doc != evidence.doc or evidence.start is None:
        return span
    moved = span[0] - evidence.start
    start, end = around.start + moved, around.end + moved
    return (start, end) if 0 <= start <= span[0] and span[1] <= end else span


def _merged(found: Iterable[Gold]) -> list[Gold]:
    """The same stretches, those that overlap as one; the quote of the first stays."""
    merged: list[Gold] = []
    for one in sorted(found, key=lambda gold: (gold.document, gold.start, gold.end)):
        last = merged[-1] if merged else None
        if last and last.document == one.document and one.start < last.end:
            merged[-1] = Gold(last.document, last.start, max(last.end, one.end), last.quote)
        else:
            merged.append(one)
    return merged
