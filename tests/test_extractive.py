"""The extractive engine: what a user may rely on when it answers, and when it does not."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.sentences import sentence_spans
from corpus.types import Chunk, Hit, Scores
from rag.answers import CANNOT_ANSWER, Cite, Passage, Piece, Question, Sentence
from rag.engines.extractive import ExtractiveEngine, Quoting
from rag.evidence import candidates, confidence
from rag.passages import build
from rag.scope import Scope
from rag.terms import PLAIN_WORDS

TOWER = (
    "The Eiffel Tower stands on the Champ de Mars in Paris. It was built by the company of "
    "Gustave Eiffel. Work began in January 1887 and took 26 months. The tower is 330 metres "
    "tall. Nearly seven million people climb it each year. It is painted every seven years "
    "because iron rusts."
)
BRIDGE = (
    "The Tower Bridge crosses the Thames in London. It was opened in 1894 by the Prince of "
    "Wales. Its two towers are 65 metres tall. Who would not like to see it?"
)
BREAD = "Knead the dough for ten minutes. Let it rise overnight. Bake it at 230 degrees."


def passage(
    text: str, number: int = 1, *, title: str = "", dense: float | None = 0.6, fused: float = 0.9
) -> Passage:
    chunk = Chunk(number, f"{number}.md", title, "md", 0, len(text), text, ())
    sentences = tuple(Sentence(a, b, text[a:b]) for a, b in sentence_spans(text))
    return Passage(number, chunk, fused, Scores(dense, 10.0, fused), sentences)


def shown() -> list[Passage]:
    return [
        passage(TOWER, 1, title="Eiffel Tower", fused=1.0),
        passage(BRIDGE, 2, title="Tower Bridge", dense=0.4, fused=0.5),
        passage(BREAD, 3, title="Bread", dense=0.1, fused=0.1),
    ]


def generate(
    question: str, passages: Sequence[Passage], quoting: Quoting | None = None
) -> list[Piece]:
    prepared = ExtractiveEngine(quoting).prepare(Question(question, 8), passages)
    return list(prepared.generate(Scope()))


def best(question: str) -> str:
    pieces = generate(question, shown(), Quoting(max_quotes=1))
    assert isinstance(pieces[0], str)
    return pieces[0]


def quoted(pieces: Sequence[Piece], passages: Sequence[Passage]) -> list[tuple[str, str]]:
    """Each text that was said with the sentence that its citation opens."""
    said = [piece for piece in pieces if piece != "\n"]
    texts, cites = said[::2], said[1::2]
    by_number = {one.number: one for one in passages}
    pairs = []
    for text, cite in zip(texts, cites, strict=True):
        assert isinstance(text, str)
        assert isinstance(cite, Cite)
        pairs.append((text, by_number[cite.passage].sentences[cite.sentence - 1].text))
    return pairs


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How tall is the Eiffel Tower?", "The tower is 330 metres tall."),
        ("How many people climb the Eiffel Tower?", "Nearly seven million people climb it"),
        ("When did work on the Eiffel Tower begin?", "Work began in January 1887"),
        ("Who built the Eiffel Tower?", "It was built by the company of Gustave Eiffel."),
        ("Why is the Eiffel Tower painted?", "because iron rusts"),
        ("Where is the Eiffel Tower?", "The Eiffel Tower stands on the Champ de Mars in Paris."),
        ("When was the Tower Bridge opened?", "It was opened in 1894"),
    ],
)
def test_the_best_sentence_is_the_one_that_answers(question: str, answer: str) -> None:
    assert answer in best(question)


def test_a_pronoun_is_no_obstacle_where_the_title_names_the_topic() -> None:
    zebra = passage("It lives in grassland. It eats grass. It sleeps standing.", title="Zebra")
    ox = passage("It lives in herds. It eats hay. It pulls the plough.", 2, title="Ox", fused=0.8)

    pieces = generate("What does the zebra eat?", [ox, zebra], Quoting(max_quotes=1))

    assert pieces[0] == "It eats grass."


def test_a_sentence_that_says_no_more_than_the_question_is_not_quoted() -> None:
    gemma = passage("**Gemma.** Google released the first Gemma models in February 2024.")

    assert generate("Which company created Gemma?", [gemma])[0].startswith("Google released")


def test_a_sentence_that_only_announces_is_not_quoted() -> None:
    facts = passage("The facts of the model are these:\n\n- The model has 384 dimensions.")

    assert (
        generate("What are the facts of the model?", [facts])[0]
        == "- The model has 384 dimensions."
    )


_WORDS = st.sampled_from(
    ["tower", "paris", "1887", "tall", "who", "is", "the", "it.", "built?", "-", "|", "#", "\n"]
)
_TEXTS = st.lists(_WORDS, min_size=1, max_size=40).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(_TEXTS, st.lists(_TEXTS, max_size=5), st.integers(1, 4))
def test_every_text_is_the_sentence_that_its_citation_opens(
    question: str, texts: list[str], max_quotes: int
) -> None:
    passages = [passage(text, number) for number, text in enumerate(texts, start=1)]
    quoting = Quoting(max_quotes=max_quotes, min_confidence=0.0)

    pieces = generate(question, passages, quoting)

    if pieces == [CANNOT_ANSWER]:
        asked = set(re.findall(r"\w+", question)) | PLAIN_WORDS
        assert not any(set(re.findall(r"\w+", text)) - asked for text in texts)
        return
    pairs = quoted(pieces, passages)
    assert all(text == sentence for text, sentence in pairs)
    assert 1 <= len(pairs) <= max_quotes
    assert len(set(pairs)) == len(pairs), "nothing is said twice"


def test_nothing_shown_is_nothing_said() -> None:
    assert generate("How tall is the Eiffel Tower?", []) == [CANNOT_ANSWER]
    assert generate("How tall is the Eiffel Tower?", [passage("", 1)]) == [CANNOT_ANSWER]
    assert generate("How tall is it?", [passage("--- | ***", 1)]) == [CANNOT_ANSWER]


@pytest.mark.parametrize(
    "question",
    [
        "How do I reset my password?",
        "What is the boiling point of ethanol?",
        "Which command lists the containers?",
        "?",
    ],
)
def test_a_question_about_something_else_is_refused(question: str) -> None:
    distant = [
        passage(one.chunk.text, one.number, title=one.chunk.title, dense=0.12, fused=one.score)
        for one in shown()
    ]

    assert generate(question, distant) == [CANNOT_ANSWER]


def test_a_name_that_no_passage_knows_is_refused_however_close_the_rest() -> None:
    text = "Available since: 1.2.0. The ZRANGE command returns a range of the sorted set."
    near = [passage(text, title="ZRANGE", dense=0.6)]

    assert generate("Since when is the ZRANGE command available?", near) != [CANNOT_ANSWER]
    assert generate("Since when is the ZTRIM command available?", near) == [CANNOT_ANSWER]


def test_an_answer_needs_no_dense_search() -> None:
    words_only = [passage(TOWER, 1, title="Eiffel Tower", dense=None)]

    assert generate("How tall is the Eiffel Tower in feet?", words_only) != [CANNOT_ANSWER]


def test_one_passage_is_quoted_in_the_order_it_was_written() -> None:
    question, passages = "How many metres tall is the tower that work began on?", shown()
    ranked = [one.sentence for one in candidates(question, passages) if one.passage == 0]
    assert ranked[:3] != sorted(ranked[:3]), "the best sentence is not the first in the text"

    pieces = generate(question, passages[:1], Quoting(margin=99))

    cites = [piece.sentence for piece in pieces if isinstance(piece, Cite)]
    assert cites == sorted(cites)
    assert len(cites) == 3


def test_a_number_is_asked_for_and_a_sentence_with_a_number_is_quoted() -> None:
    both = "The mast is tall, as anyone can see. The mast is tall, namely 61 metres. It is tall."

    pieces = generate("How tall is the mast?", [passage(both)], Quoting(max_quotes=1))

    assert pieces[0] == "The mast is tall, namely 61 metres."


def test_a_sentence_found_in_two_documents_is_quoted_once() -> None:
    twice = [passage(TOWER, 1, title="Tower"), passage(TOWER, 2, title="Tower")]

    texts = [text for text, _ in quoted(generate("How tall is the tower?", twice), twice)]

    assert len(texts) == len(set(texts))


def test_of_neighbours_shown_as_one_each_sentence_counts_by_the_hit_that_it_stands_in() -> None:
    text = "The mast is 61 metres tall. The mast is 99 metres tall."
    middle = text.index(" The")
    hits = [
        Hit(1, 0.9, Chunk(1, "a", "", "md", 0, middle, text[:middle], ()), Scores(0.3, 9, 0.9)),
        Hit(2, 0.1, Chunk(2, "a", "", "md", middle + 1, 55, text[middle + 1 :], ()), _WEAK),
    ]
    (apart, joined) = (
        build(hits, between=between)[0] for between in (None, lambda _, start, end: text[start:end])
    )
    assert (len(apart), len(joined)) == (2, 1)

    scores = [
        {passages[one.passage].sentences[one.sentence].text: one.score for one in ranked}
        for passages in (apart, joined)
        for ranked in [candidates("How tall is the mast?", passages)]
    ]
    sure = [
        confidence("How tall?", passages, candidates("How tall?", passages)[0])
        for passages in (apart, joined)
    ]

    assert scores[0] == scores[1]
    assert sure[0] == sure[1]


_WEAK = Scores(0.7, 1, 0.1)

_ELSEWHERE = """
from corpus.types import Chunk, Scores
from rag.answers import Passage, Sentence
from rag.evidence import candidates
words = "tower paris iron built began eighteen company painted river metres people year".split()
texts = [" ".join(words[:n]) for n in range(1, 13)] + [" ".join(words[::n]) for n in range(1, 8)]
sentences = tuple(Sentence(0, len(text), text) for text in texts)
chunk = Chunk(1, "1.md", "Title", "md", 0, 99, " ".join(texts), ())
shown = [Passage(1, chunk, 0.7, Scores(0.6, 9.0, 0.7), sentences)]
print([candidate.score for candidate in candidates(" ".join(words), shown)])
"""


def test_the_same_question_gives_the_same_answer_in_every_process() -> None:
    """Sets of words come in another order in another process; scores must not."""
    said = {
        subprocess.run(
            [sys.executable, "-c", _ELSEWHERE],
            env={"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "1234"
    }

    assert len(said) == 1
