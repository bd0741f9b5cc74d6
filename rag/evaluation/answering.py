"""What an answer is worth: right or not, in the gold's words or not, its citations exact or not.

An answer to an answerable question is right when a gold answer stands in it or in one of its
quotes, or, where gold answers are longer than a name, a date or a phrase, or there are none,
when a citation opens gold evidence. An abstention is right where the question is not answerable.
This is judged by comparing texts, never by another model: an answer in other words than the gold's
counts as wrong, and one that holds the gold among much else as right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rag.answers import Answer, Citation, Outcome, Passage
from rag.evaluation.folding import folded
from rag.evaluation.locating import Gold
from rag.evaluation.questions import Item
from rag.evaluation.squad import exact_match, f1
from rag.evidence import candidates, confidence

SHORT = 100
"""Characters of a gold answer that can be looked for in a quote; of a longer one there are
too many ways to say it."""

_SPACED = "\u0500"  # scripts below it (Latin, Greek, Cyrillic) put spaces between words


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation, as far as it is looked at."""

    document: str
    start: int
    end: int
    quote: str
    verdict: str
    exact: bool  # equals the characters of the document that it names


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered to one question."""

    status: str  # "answered", "abstained", "failed"
    text: str  # of the answer; of the error where it failed
    citations: tuple[Cited, ...]
    confidence: float  # that the passages are about the question (rag.evidence), in [0, 1]
    right: bool
    engine: str = ""
    degraded: str = ""  # why another engine than the one asked for answered


def judged(
    item: Item,
    gold: Sequence[Gold],
    answer: Answer,
    passages: Sequence[Passage],
    text_of: Callable[[str], str | None],
) -> Answered:
    """Judge one answer.

    :param passages: what the engine was shown.
    :param text_of: gives the text of a document.
    """
    cited = tuple(_cited(citation, text_of) for citation in answer.citations)
    answered = answer.outcome is Outcome.ANSWERED
    bare = without_markers(answer)
    right = answered and _is_right(item, gold, cited, bare) if item.answerable else not answered
    sureness = evidence_confidence(item.question, passages)
    return Answered(
        answer.outcome.value, bare, cited, sureness, right, answer.engine, answer.degraded
    )


def answer_values(item: Item, gold: Sequence[Gold], answered: Answered) -> dict[str, float]:
    """The measures of one answer; those that say nothing about it are left out."""
    values: dict[str, float] = {}
    if item.answerable is None:
        return values
    abstained = answered.status == "abstained"
    values["accuracy"] = float(answered.right)
    if item.answerable:
        values["answered"] = float(answered.status == "answered")
        values["gold_in_quotes"] = float(in_quotes(item, gold, answered.citations))
        if item.answers:
            text = answered.text if answered.status == "answered" else ""
            values["em"], values["f1"] = exact_match(text, item.answers), f1(text, item.answers)
    else:
        values["abstention_recall"] = float(abstained)
    if abstained:
        values["abstention_precision"] = float(not item.answerable)
    if answered.citations:
        exact = [citation.exact for citation in answered.citations]
        values["citations_exact"] = sum(exact) / len(exact)
    return values


def failed(reason: str) -> Answered:
    """A question for which no answer could be made."""
    return Answered("failed", reason, (), 0.0, right=False)


def in_quotes(item: Item, gold: Sequence[Gold], citations: Iterable[Cited]) -> bool:
    """Whether a gold answer stands in a quote; without short ones, whether gold is cited."""
    if short := short_answers(item):
        quotes = [_compared(citation.quote) for citation in citations]
        return any(stands_in(text, quote) for text in short for quote in quotes)
    return any(
        citation.document == one.document and citation.start < one.end and one.start < citation.end
        for citation in citations
        for one in gold
    )


def short_answers(item: Item) -> list[str]:
    """The gold answers that can be looked for, as they are compared."""
    return [_compared(text) for text in item.answers if len(text) <= SHORT and text.strip()]


def stands_in(wanted: str, text: str) -> bool:
    """Whether a text holds another and does not only run on from or into it: no 5 in 15."""
    at = text.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        before, after = text[at - 1 : at], text[end : end + 1]
        if not (_runs_on(before, wanted[0]) or _runs_on(wanted[-1], after)):
            return True
        at = text.find(wanted, at + 1)
    return False


def without_markers(answer: Answer) -> str:
    """The text of an answer without the markers of its citations."""
    text = answer.text
    for marker in {citation.marker for citation in answer.citations}:
        text = text.replace(f" [{marker}]", "").replace(f"[{marker}]", "")
    return text


def evidence_confidence(question: str, passages: Sequence[Passage]) -> float:
    """How sure it is that passages are about a question, whatever engine answers."""
    ranked = candidates(question, passages)
    return confidence(question, passages, ranked[0]) if ranked else 0.0


def _is_right(item: Item, gold: Sequence[Gold], cited: Sequence[Cited], text: str) -> bool:
    compared = _compared(text)
    said = any(stands_in(one, compared) for one in short_answers(item))
    return said or in_quotes(item, gold, cited)


def _cited(citation: Citation, text_of: Callable[[str], str | None]) -> Cited:
    text = text_of(citation.document_id) or ""
    return Cited(
        citation.document_id,
        citation.start,
        citation.end,
        citation.quote,
        citation.verdict.value,
        exact=text[citation.start : citation.end] == citation.quote != "",
    )


def _compared(text: str) -> str:
    return folded(text).casefold()


def _runs_on(one: str, other: str) -> bool:
    """Whether two neighbouring characters are of one number or word; either may be missing."""
    if one.isdigit() and other.isdigit():
        return True
    return one.isalpha() and other.isalpha() and max(one, other) < _SPACED
