"""Citations: each opens the sentence it names, and stands for the claim it follows."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpus.types import Chunk, Scores
from rag.answers import CANNOT_ANSWER, Citation, Cite, Passage, Sentence, Verdict
from rag.checking.citations import AnswerWriter
from rag.events import Cited, Said

DOCUMENT = "Preface. Employees get 27 days. Leave ends in March. 😀 Ask Ida early."
PIECES = ("Employees get 27 days.", "Leave ends in March.", "Ask Ida early.")
Pieces = list[str | Cite]


def passage(number: int = 1) -> Passage:
    start = DOCUMENT.index(PIECES[0])
    chunk = Chunk(7, "leave.md", "Leave", "md", start, len(DOCUMENT), DOCUMENT[start:], ("Rules",))
    sentences = tuple(
        Sentence(DOCUMENT.index(words), DOCUMENT.index(words) + len(words), words)
        for words in PIECES
    )
    return Passage(number, chunk, 0.5, Scores(0.4, 3.0, 0.5), sentences)


SHOWN = [passage(1), passage(2)]


def written(*pieces: str | Cite, strict: bool = False) -> AnswerWriter:
    """The finished answer; what was told on the way together is the same."""
    writer = AnswerWriter(SHOWN, strict=strict)
    events = [event for piece in pieces for event in writer.add(piece)] + writer.finish()
    assert "".join(event.text for event in events if isinstance(event, Said)) == writer.text
    told = [event.citation for event in events if isinstance(event, Cited)]
    assert told == writer.citations
    return writer


def claims(writer: AnswerWriter) -> list[str]:
    return [writer.text[one.answer_start : one.answer_end] for one in writer.citations]


def uncited(writer: AnswerWriter) -> list[str]:
    return [writer.text[start:end] for start, end in writer.uncited()]


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


def test_a_passage_can_be_cited_as_a_whole_and_says_so() -> None:
    writer = written("Employees get 27 days, until March", Cite(1, None), ".", Cite(1, 1))

    whole, sentence = writer.citations
    assert (whole.level, sentence.level) == ("passage", "sentence")
    assert whole.quote == DOCUMENT[whole.start : whole.end] == SHOWN[0].chunk.text
    assert (whole.marker, sentence.marker) == ("1", "2")
    assert whole.verdict is Verdict.SUPPORTED


def test_a_sentence_keeps_its_number_and_another_gets_the_next() -> None:
    writer = written("A.", Cite(1, 2), " B.", Cite(2, 1), " C.", Cite(1, 2), " D.", Cite(1, 1))

    assert [citation.marker for citation in writer.citations] == ["1", "2", "1", "3"]
    assert writer.text == "A. [1] B. [2] C. [1] D. [3]"


def test_the_same_sentence_twice_in_a_row_is_cited_once() -> None:
    assert written("A.", Cite(1, 2), Cite(1, 2)).text == "A. [1]"


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["First.", Cite(1, 1), "  Second  ", "part. ", Cite(1, 2)], ["First.", "Second  part."]),
        (["A is 5", Cite(1, 1), " and B is 6", Cite(2, 1), "."], ["A is 5", "and B is 6"]),
        (["A is 5", Cite(1, 1), ", B is 6", Cite(2, 1), "."], ["A is 5", "B is 6"]),
        (["Claim.", Cite(1, 1)], ["Claim."]),
        (["Claim", Cite(1, 1), "."], ["Claim"]),
        (["No source. Claim.", Cite(1, 1)], ["Claim."]),
        (["No source. Claim", Cite(1, 1), "."], ["Claim"]),
        (["A", Cite(1, 1), ". B", Cite(1, 2), "."], ["A", "B"]),
        (["A", Cite(1, 1), ". Not here. B", Cite(1, 2), "."], ["A", "B"]),
        (["- Item one", Cite(1, 1), "\n- item two", Cite(1, 2)], ["- Item one", "- item two"]),
        (["As Dr. No says, e.g. 5.5 km.", Cite(1, 1)], ["As Dr. No says, e.g. 5.5 km."]),
        (["A", Cite(1, 1), Cite(2, 1), "."], ["A", "A"]),
        (["A", Cite(1, 1), ".", Cite(2, 1)], ["A", "A"]),
        (["A", Cite(1, 1), ", ", Cite(2, 1)], ["A", "A"]),
        ([Cite(1, 1), "A"], [""]),
        (["はい。いいえ。", Cite(1, 1)], ["いいえ。"]),
        (["Run:\n\n```\nls -l\ncd x\n```\n", Cite(1, 1)], ["```\nls -l\ncd x\n```"]),
    ],
)
def test_a_claim_is_its_sentence_from_the_last_citation_on(
    pieces: Pieces, expected: list[str]
) -> None:
    assert claims(written(*pieces)) == expected


def test_markers_of_our_own_do_not_make_a_sentence_end_or_go_on() -> None:
    writer = written("In 1999 vol", Cite(1, 1), ". 3 came", Cite(1, 2), " to No", Cite(1, 1), ".")

    assert claims(writer) == ["In 1999 vol", "3 came", "to No"]


def test_an_answer_that_comes_in_small_pieces_is_the_same_answer() -> None:
    whole, split = written(PIECES[0], Cite(1, 1)), written(*PIECES[0], Cite(1, 1))

    assert (split.text, split.citations) == (whole.text, whole.citations)


@pytest.mark.parametrize(
    "cite",
    [*map(Cite, [0, 3, 1, 1, -1, 1], [1, 1, 0, 4, -1, -1]), Cite(3, None), Cite(0, None)],
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_citation_of_what_was_not_shown_is_dropped_and_counted(cite: Cite, strict: bool) -> None:
    writer = written(PIECES[0], cite, " " + PIECES[1], Cite(1, 2), strict=strict)

    kept = PIECES[1] if strict else f"{PIECES[0]} {PIECES[1]}"
    assert writer.text == f"{kept} [1]"
    assert (writer.unknown_citations, len(writer.citations)) == (1, 1)


def test_text_is_told_at_once_and_a_row_of_markers_when_it_is_over() -> None:
    writer = AnswerWriter(SHOWN)

    assert writer.add("Employees get 27 ") == [Said("Employees get 27 ")]
    assert writer.add("days.") == [Said("days.")]
    assert writer.add(Cite(1, 1)) == []
    assert writer.add(Cite(2, 1)) == []
    first, one, second, two, text = writer.add(" More")
    assert (first, second, text) == (Said(" [1]"), Said(" [2]"), Said(" More"))
    assert [one, two] == [Cited(citation) for citation in writer.citations]
    assert writer.finish() == []


def test_sentences_without_citation_are_listed() -> None:
    writer = written(
        "Employees get 27 days", Cite(1, 1), ". Nobody knows why. It ends in March", Cite(1, 2), "."
    )

    assert uncited(writer) == ["Nobody knows why."]


def test_what_follows_a_citation_in_its_sentence_is_listed_unless_that_holds_it_up() -> None:
    held = written("According to the rules", Cite(1, 1), ", employees get 27 days.")
    other = written("Employees get 27 days", Cite(1, 1), ", and Tom gets 30.")

    assert uncited(held) == []
    assert uncited(other) == ["and Tom gets 30."]


@pytest.mark.parametrize(
    ("text", "is_listed"),
    [
        ("# Leave\n\n", False),
        ("# Leave in 2024\n\n", True),
        ("**Annual leave**\n\n", False),
        ("The rules are:\n\n", False),
        ("The rules of Spain are:\n\n", True),
        ("The 12 rules are:\n\n", True),
        ("---\n\n", False),
        (CANNOT_ANSWER, False),
        (CANNOT_ANSWER[:-1], False),
        ("Is it so?", True),
        ("I hope this helps!", True),
        ("```\nrm -r x\ncd y\n```", True),
    ],
)
def test_what_claims_nothing_needs_no_citation(text: str, is_listed: bool) -> None:
    assert uncited(written(text)) == ([text.strip()] if is_listed else [])


def test_a_citation_of_the_phrase_that_nothing_is_said_is_left_out() -> None:
    for strict in (False, True):
        writer = written(CANNOT_ANSWER[:-1], Cite(1, 1), ".", strict=strict)
        assert (writer.text, writer.citations, writer.withheld) == (CANNOT_ANSWER, [], 0)


def test_sentences_of_a_passage_that_hold_a_claim_up_together_support_it() -> None:
    writer = written("Employees get 27 days, and until March.", Cite(1, 1), Cite(1, 2))
    alone = written("Employees get 27 days, and until March.", Cite(1, 1))
    apart = written("Employees get 27 days, and until March.", Cite(1, 1), Cite(2, 2))
    beside = written("Employees get 27 days, and until March.", Cite(1, 1), Cite(1, 2), Cite(1, 3))

    assert [one.verdict for one in writer.citations] == [Verdict.SUPPORTED, Verdict.SUPPORTED]
    assert [one.verdict for one in alone.citations] == [Verdict.PARTIAL]
    assert [one.verdict for one in apart.citations] == [Verdict.PARTIAL, Verdict.PARTIAL]
    assert beside.citations[2].verdict is Verdict.UNSUPPORTED


def of(*sentences: str) -> list[Passage]:
    """One passage of these sentences."""
    text = " ".join(sentences)
    chunk = Chunk(1, "n.md", "History", "md", 0, len(text), text, ())
    spans = ((text.index(one), text.index(one) + len(one)) for one in sentences)
    shown = tuple(Sentence(start, end, text[start:end]) for start, end in spans)
    return [Passage(1, chunk, 0.5, Scores(0.4, 3.0, 0.5), shown)]


def verdicts(shown: list[Passage], claim: str, *sentences: int) -> list[Verdict]:
    writer = AnswerWriter(shown)
    for piece in (claim, *(Cite(1, sentence) for sentence in sentences)):
        writer.add(piece)
    writer.finish()
    return [citation.verdict for citation in writer.citations]


def test_a_name_that_a_sentence_refers_back_to_may_stand_before_it() -> None:
    shown = of("Rollo led the Normans.", "He agreed in 911.", "Peace came in 912.")

    assert verdicts(shown, "In 911, Rollo agreed.", 2) == [Verdict.SUPPORTED]
    assert verdicts(shown, "In 911, Tancred agreed.", 2) == [Verdict.PARTIAL]
    assert verdicts(shown, "In 912, Rollo had peace.", 3) == [Verdict.PARTIAL]


def test_a_citation_that_is_not_needed_is_not_held_up_by_those_beside_it() -> None:
    shown = of("In 911 Duke Rollo made peace.", "Once more Rollo fought.", "Winter came.")

    assert verdicts(shown, "The peace of Duke Rollo is of 911.", 1, 2) == [
        Verdict.SUPPORTED,
        Verdict.PARTIAL,
    ]
    assert verdicts(
        shown, "In 911 Duke Rollo made peace, and then winter came over all.", 1, 3
    ) == [
        Verdict.SUPPORTED,
        Verdict.UNCHECKED,
    ]


# Strict: nothing is said that is not held up.

TRUE, FALSE = (PIECES[0], Cite(1, 1)), ("Employees get 30 days.", Cite(1, 1))


@pytest.mark.parametrize(
    ("pieces", "text", "withheld"),
    [
        ([*TRUE], "Employees get 27 days. [1]", 0),
        ([*FALSE], "", 1),
        ([*FALSE, " ", *TRUE], "Employees get 27 days. [1]", 1),
        ([*TRUE, " ", *FALSE], "Employees get 27 days. [1]", 1),
        ([*TRUE, " No source. ", PIECES[1], Cite(1, 2)], f"{PIECES[0]} [1] {PIECES[1]} [2]", 1),
        ([*TRUE, "\n\nNone. ", PIECES[1], Cite(1, 2)], f"{PIECES[0]} [1]\n\n{PIECES[1]} [2]", 1),
        (["Employees get 27 days", Cite(1, 1), "."], "Employees get 27 days [1].", 0),
        (["Employees get 27 days", Cite(1, 1), " and Tom 30", Cite(1, 2), "."], "", 1),
        (["Employees get 27 days", Cite(1, 1), " and Tom gets 30."], "", 1),
        (["You may ask early.", Cite(1, 1)], "", 1),  # unchecked is no pass
        (["Employees get 27 days.", Cite(9, 9)], "", 1),
        ([PIECES[0], Cite(1, 1), Cite(1, 3)], "Employees get 27 days. [1]", 0),
        ([Cite(1, 1), *TRUE], "Employees get 27 days. [1]", 0),
        (["# Leave\n\n", *TRUE], "# Leave\n\nEmployees get 27 days. [1]", 0),
        (["# Leave\n\n", *FALSE], "", 1),
        (
            ["The rules are:\n- Tom gets 9\n- ", *TRUE],
            "The rules are:\n- Employees get 27 days. [1]",
            1,
        ),
        ([CANNOT_ANSWER], CANNOT_ANSWER, 0),
        (["# Leave\n\n", CANNOT_ANSWER], CANNOT_ANSWER, 0),
        ([CANNOT_ANSWER, " Still, it is 30."], CANNOT_ANSWER, 1),
        ([""], "", 0),
    ],
)
def test_strict_says_only_sentences_that_are_held_up(
    pieces: Pieces, text: str, withheld: int
) -> None:
    writer = written(*pieces, strict=True)

    assert (writer.text, writer.withheld, writer.uncited()) == (text, withheld, ())


def test_strict_says_a_sentence_when_the_next_one_has_begun() -> None:
    writer = AnswerWriter(SHOWN, strict=True)

    for piece in (*PIECES[0], Cite(1, 1), " Nex", "t"):
        assert writer.add(piece) == []
    sentence, marker, citation = writer.add(" comes")
    assert (sentence, marker) == (Said(PIECES[0]), Said(" [1]"))
    assert citation == Cited(writer.citations[0])
    assert writer.finish() == []
    assert writer.withheld == 1


SENTENCES = st.sampled_from(
    [
        *PIECES,
        *(
            "Employees get 30 days.",
            "Nobody knows.",
            "はい。",
            "# Head\n",
            "The rules are:\n",
            "e.g.",
        ),
        *(" ", "\n", "\n\n- ", ", and ", "27", ".", "Dr. No", "aB 1.\n😀", "", CANNOT_ANSWER),
    ]
)
CITES = st.builds(Cite, st.integers(0, 3), st.integers(0, 4) | st.none())


@given(st.lists(SENTENCES | CITES, max_size=14), st.booleans())
@example(["Employees get 27 days.", Cite(1, 1), "e.g.", "\n", Cite(1, 2)], True)
def test_whatever_an_engine_says_every_citation_is_exact(pieces: Pieces, strict: bool) -> None:
    writer = written(*pieces, strict=strict)

    claimed, edge = (0, 0), 0
    for citation in writer.citations:
        assert citation.quote == DOCUMENT[citation.start : citation.end]
        span = (citation.answer_start, citation.answer_end)
        assert span == claimed or edge <= span[0] < span[1] <= len(writer.text)
        claim = writer.text[citation.answer_start : citation.answer_end]
        assert claim == claim.strip()
        assert f" [{citation.marker}]" not in claim
        claimed, edge = span, span[1]
        if strict:
            assert citation.verdict in (Verdict.VERBATIM, Verdict.SUPPORTED)
    known = {(one.document_id, one.start, one.end, one.marker) for one in writer.citations}
    assert len({marker for *_, marker in known}) == max(
        (int(marker) for *_, marker in known), default=0
    )
    for start, end in writer.uncited():
        assert 0 <= start < end <= len(writer.text)
        assert writer.text[start:end] == writer.text[start:end].strip()
        assert not any(
            start < one.answer_end and one.answer_start < end for one in writer.citations
        )
    shown = {Cite(number, row) for number in (1, 2) for row in (1, 2, 3, None)}
    cites = [piece for piece in pieces if isinstance(piece, Cite)]
    assert writer.unknown_citations == sum(cite not in shown for cite in cites)
    if not strict:
        assert writer.withheld == 0


@given(st.lists(SENTENCES | CITES, max_size=14), st.booleans())
def test_however_the_text_is_cut_the_answer_is_the_same(pieces: Pieces, strict: bool) -> None:
    small = [part for piece in pieces for part in ([piece] if isinstance(piece, Cite) else piece)]
    large: Pieces = []
    for piece in pieces:
        if large and isinstance(piece, str) and isinstance(large[-1], str):
            large[-1] += piece
        else:
            large.append(piece)

    answers = [written(*form, strict=strict) for form in (pieces, small, large)]
    assert (
        len({(one.text, tuple(one.citations), one.withheld, one.uncited()) for one in answers}) == 1
    )
