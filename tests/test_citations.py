"""Citations: each opens the sentence it names, and no verdict says more than the characters do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.types import Chunk, Scores
from rag.answers import Citation, Cite, Passage, Piece, Sentence, Verdict
from rag.citations import AnswerWriter, verdict

DOCUMENT = "Preface. Employees get 27 days. Leave ends in March. 😀 Ask Ida early."
PIECES = ("Employees get 27 days.", "Leave ends in March.", "Ask Ida early.")


def passage(number: int = 1) -> Passage:
    start = DOCUMENT.index(PIECES[0])
    chunk = Chunk(7, "leave.md", "Leave", "md", start, len(DOCUMENT), DOCUMENT[start:], ("Rules",))
    sentences = tuple(
        Sentence(DOCUMENT.index(words), DOCUMENT.index(words) + len(words), words)
        for words in PIECES
    )
    return Passage(number, chunk, 0.5, Scores(0.4, 3.0, 0.5), sentences)


def written(*pieces: Piece, passages: int = 2) -> AnswerWriter:
    writer = AnswerWriter([passage(number) for number in range(1, passages + 1)])
    for piece in pieces:
        writer.add(piece)
    return writer


def sentence(text: str) -> Sentence:
    return Sentence(0, len(text), text)


def test_a_citation_opens_the_sentence_it_names() -> None:
    writer = written("Employees get 27 days.", Cite(1, 1))

    assert writer.text == "Employees get 27 days. [1]"
    start = DOCUMENT.index("Employees")
    assert writer.citations == [
        Citation(
            marker="1",
            document_id="leave.md",
            title="Leave",
            start=start,
            end=start + len(PIECES[0]),
            quote=PIECES[0],
            headings=("Rules",),
            page=None,
            score=0.5,
            verdict=Verdict.VERBATIM,
            answer_start=0,
            answer_end=len(PIECES[0]),
        )
    ]


def test_a_sentence_keeps_its_number_and_another_gets_the_next() -> None:
    writer = written("A.", Cite(1, 2), " B.", Cite(2, 1), " C.", Cite(1, 2), " D.", Cite(1, 1))

    assert [citation.marker for citation in writer.citations] == ["1", "2", "1", "3"]
    assert writer.text == "A. [1] B. [2] C. [1] D. [3]"


def test_the_claim_is_the_text_since_the_citation_before() -> None:
    writer = written("First.", Cite(1, 1), "  Second  ", "part. ", Cite(1, 2))

    claims = [writer.text[one.answer_start : one.answer_end] for one in writer.citations]
    assert claims == ["First.", "Second  part."]


def test_a_text_that_comes_in_small_pieces_is_the_same_text() -> None:
    whole, split = written(PIECES[0], Cite(1, 1)), written(*PIECES[0], Cite(1, 1))

    assert (split.text, split.citations) == (whole.text, whole.citations)


@pytest.mark.parametrize(
    "cite", [Cite(0, 1), Cite(3, 1), Cite(1, 0), Cite(1, 4), Cite(-1, -1), Cite(1, -1)]
)
def test_a_citation_of_what_was_not_shown_is_dropped_and_counted(cite: Cite) -> None:
    writer = written("A claim.", cite, " More.", Cite(1, 1))

    assert writer.text == "A claim. More. [1]"
    assert (writer.unknown_citations, len(writer.citations)) == (1, 1)
    assert AnswerWriter([]).add(Cite(1, 1)) == ("", None)


TEXTS = st.text("aB 1.\n😀", max_size=6)
CITES = st.builds(Cite, st.integers(0, 3), st.integers(0, 4))


def test_citations_in_a_row_support_the_same_claim() -> None:
    writer = AnswerWriter([passage(1), passage(2)])
    for piece in ("Employees get 27 days.", Cite(1, 1), Cite(2, 1)):
        writer.add(piece)

    first, second = writer.citations
    assert (first.answer_start, first.answer_end) == (second.answer_start, second.answer_end)
    assert first.verdict is Verdict.VERBATIM


@given(st.lists(TEXTS | CITES, max_size=12))
def test_whatever_an_engine_says_every_citation_is_exact(pieces: list[Piece]) -> None:
    writer = AnswerWriter([passage(1), passage(2)])
    told = ""
    for piece in pieces:
        added, citation = writer.add(piece)
        told += added
        if citation is not None:
            assert added == f" [{citation.marker}]"

    assert told == writer.text
    claimed, edge = (0, 0), 0
    for citation in writer.citations:
        assert citation.quote == DOCUMENT[citation.start : citation.end]
        span = (citation.answer_start, citation.answer_end)
        assert span == claimed or edge <= span[0] < span[1] <= len(writer.text)
        claim = writer.text[citation.answer_start : citation.answer_end]
        assert claim == claim.strip()
        claimed, edge = span, span[1]
    known = {(one.document_id, one.start, one.marker) for one in writer.citations}
    assert {int(marker) for _, _, marker in known} == set(
        range(1, len({marker for _, _, marker in known}) + 1)
    )


@pytest.mark.parametrize(
    ("claim", "cited", "expected"),
    [
        ("Employees get 27 days.", "Employees get 27 days.", Verdict.VERBATIM),
        ("get 27\n days", "Employees get 27 days.", Verdict.VERBATIM),
        ("Everyone gets 27 days.", "Employees get 27 days. Everyone does.", Verdict.SUPPORTED),
        ("They get 27 days.", "Employees get 27 days.", Verdict.PARTIAL),
        ("It is 28 days.", "Employees get 27 days.", Verdict.UNSUPPORTED),
        ("you may ask early", "Employees get 27 days.", Verdict.UNCHECKED),
        ("", "Employees get 27 days.", Verdict.UNCHECKED),
        ("   ", "Employees get 27 days.", Verdict.UNCHECKED),
    ],
)
def test_verdicts(claim: str, cited: str, expected: Verdict) -> None:
    assert verdict(claim, sentence(cited)) is expected


@pytest.mark.parametrize(
    ("claim", "cited"),
    [
        ("5 days", "Employees get 25 days."),
        ("art", "The party starts at noon."),
        ("1.5 km", "The road is 21.5 km long."),
        ("He is able", "He is ablebodied."),
    ],
)
def test_part_of_a_word_or_of_a_number_is_not_verbatim(claim: str, cited: str) -> None:
    assert verdict(claim, sentence(cited)) is not Verdict.VERBATIM


@pytest.mark.parametrize(
    ("claim", "cited"),
    [
        ("it takes 3 days", "In all, it took 3.5 days to finish."),
        ("it costs 1,000 in all", "The cost is 1,000,000 in all years."),
        ("it was 5 in May", "It was -5 degrees in May."),
        ("in 1890 Ida met Émile", "Ida travelled alone in 1890."),
        ("Ida went to Österreich", "Ida went abroad."),
    ],
)
def test_a_claim_with_a_number_or_a_name_that_is_not_cited_is_not_supported(
    claim: str, cited: str
) -> None:
    assert verdict(claim, sentence(cited)) not in (Verdict.SUPPORTED, Verdict.VERBATIM)


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_verdict_is_given_for_any_text(claim: str, cited: str) -> None:
    assert verdict(claim, sentence(cited)) in Verdict
