"""Verdicts: planted faults are found, and what is only written differently is none."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.types import Chunk, Hit, Scores
from rag import passages as passaging
from rag.answers import Cite, Passage, Verdict
from rag.checking.citations import AnswerWriter
from rag.checking.verdicts import Check, check, verdict
from rag.engines.vllm.markers import Markers

VERBATIM, SUPPORTED, PARTIAL = Verdict.VERBATIM, Verdict.SUPPORTED, Verdict.PARTIAL
UNSUPPORTED, UNCHECKED = Verdict.UNSUPPORTED, Verdict.UNCHECKED

LEAVE = (
    "The company was founded by Ida Berg on 10 July 1998. Employees get 27 days of leave a year. "
    "Leave that is left ends in March. She may carry 5 days over."
)
CANTEEN = "The canteen opens at noon. Lunch costs 1,200 yen on Fridays."


def shown() -> tuple[Passage, ...]:
    texts = {"leave.md": ("Leave at Nordvik", LEAVE), "food.md": ("Food", CANTEEN)}
    hits = [
        Hit(rank, 0.5, Chunk(rank, name, title, "md", 0, len(text), text, ()), Scores(0.5, 1, 0.5))
        for rank, (name, (title, text)) in enumerate(texts.items(), start=1)
    ]
    return passaging.build(hits)[0]


class Scripted:
    """An engine that writes what the test wrote down, in pieces of a few characters."""

    def __init__(self, text: str, passages: tuple[Passage, ...]) -> None:
        self._text, self._markers = text, Markers(passages)

    def generate(self) -> Iterator[str | Cite]:
        for at in range(0, len(self._text), 3):
            yield from self._markers.feed(self._text[at : at + 3])
        yield from self._markers.end()


def answered(text: str, *, strict: bool = False) -> AnswerWriter:
    passages = shown()
    writer = AnswerWriter(passages, strict=strict)
    for piece in Scripted(text, passages).generate():
        writer.add(piece)
    writer.finish()
    return writer


@pytest.mark.parametrize(
    ("said", "verdicts"),
    [
        # As it is.
        ("Employees get 27 days of leave a year. [1.2]", [VERBATIM]),
        ("Every year, employees get twenty-seven days [1.2].", [SUPPORTED]),
        ("Nordvik was founded by Ida Berg on July 10, 1998. [1.1]", [SUPPORTED]),
        ("Ida Berg may carry 5 days over. [1.4]", [PARTIAL]),
        (
            "Lunch costs 1200 yen on a Friday [2.2], and the canteen opens at noon [2.1].",
            [SUPPORTED, VERBATIM],
        ),
        ("Lunch is 1200 yen, and leave is 27 days. [1.2][2.2]", [PARTIAL, PARTIAL]),
        ("Nordvik was founded in 1998 and grants 27 days. [1.1-1.2]", [SUPPORTED, SUPPORTED]),
        # A wrong number.
        ("Employees get 28 days of leave a year. [1.2]", [UNSUPPORTED]),
        ("Employees get 2 days of leave a year. [1.2]", [UNSUPPORTED]),
        ("Employees get 27 weeks of leave a year. [1.2]", [UNSUPPORTED]),
        ("Employees get 27% of leave a year. [1.2]", [UNSUPPORTED]),
        ("Lunch costs 12,000 yen on Fridays. [2.2]", [PARTIAL]),
        # A wrong date.
        ("The company was founded by Ida Berg on 11 July 1998. [1.1]", [PARTIAL]),
        ("The company was founded on 10 June 1998. [1.1]", [UNSUPPORTED]),
        ("Leave that is left ends in April. [1.3]", [UNSUPPORTED]),
        # A wrong name.
        ("The company was founded by Tom Berg on 10 July 1998. [1.1]", [PARTIAL]),
        ("Oslo was founded on 10 July 1998. [1.1]", [PARTIAL]),
        ("Lunch costs 1,200 yen on Mondays. [2.2]", [PARTIAL]),
        # A wrong sentence, of the same passage and of another.
        ("Employees get 27 days of leave a year. [1.3]", [UNSUPPORTED]),
        ("Employees get 27 days of leave a year. [2.1]", [UNSUPPORTED]),
        ("The canteen of the company opens at noon, every day. [1.3]", [UNSUPPORTED]),
        ("Employees get 27 days of leave a year. [1.2][2.2]", [VERBATIM, UNSUPPORTED]),
        # Nothing that could be checked.
        ("What is left of it is lost in spring. [1.3]", [UNCHECKED]),
        # A whole passage.
        ("Ida Berg, who founded Nordvik in 1998, grants 27 days. [1]", [SUPPORTED]),
        ("Ida Berg, who founded Nordvik in 1998, grants 30 days. [1]", [PARTIAL]),
    ],
)
def test_a_fault_in_an_answer_has_its_verdict(said: str, verdicts: list[Verdict]) -> None:
    assert [citation.verdict for citation in answered(said).citations] == verdicts


@pytest.mark.parametrize("ids", ["[9.9]", "[1.9]", "[7]", "[1.9, 3.1]"])
def test_an_unknown_id_is_dropped_and_counted_and_the_sentence_listed(ids: str) -> None:
    writer = answered(f"Employees get 27 days. {ids} Leave ends in March. [1.3]")

    assert writer.text == "Employees get 27 days. Leave ends in March. [1]"
    assert writer.unknown_citations == ids.count(".") + ids.count("7")
    assert [writer.text[start:end] for start, end in writer.uncited()] == ["Employees get 27 days."]


def test_a_sentence_without_citation_is_listed() -> None:
    writer = answered("Employees get 27 days [1.2]. They like it. Leave ends in March [1.3].")

    assert [writer.text[start:end] for start, end in writer.uncited()] == ["They like it."]
    assert writer.unknown_citations == 0


def test_strict_keeps_every_planted_fault_back() -> None:
    writer = answered(
        "Employees get 27 days [1.2]. They get 30 days [1.2]. It opens at noon [1.1]. It is so. "
        "Lunch costs 1200 yen on Fridays [2.2]. It was founded in 1999 [1.1]. It ends [9.9].",
        strict=True,
    )

    assert writer.text == "Employees get 27 days [1]. Lunch costs 1200 yen on Fridays [2]."
    assert (writer.withheld, writer.unknown_citations, writer.uncited()) == (5, 1, ())


@pytest.mark.parametrize(
    ("claim", "cited"),
    [
        ("Employees get 27 days.", "Employees get 27 days."),
        ("get 27\n days", "Employees get 27 days."),
        ("Employees get 27 days.", "Employees get 27 days of leave."),
        ("- **Employees** get `27` days", "Employees get 27 days."),
        ("1. Employees get 27 days.", "Employees get 27 days."),
        ("the “rule” isn’t new", 'It said the "rule" isn\'t new.'),
        ("It costs ５ euros…", "It costs 5 euros, or more."),
    ],
)
def test_word_for_word_is_verbatim_however_it_is_set(claim: str, cited: str) -> None:
    assert check(claim, cited) == Check(VERBATIM)


@pytest.mark.parametrize(
    ("claim", "cited"),
    [
        ("5 days", "Employees get 25 days."),
        ("art", "The party starts at noon."),
        ("1.5 km", "The road is 21.5 km long."),
        ("He is able", "He is ablebodied."),
        ("5 of 3", "It was 5 of 3.5 in all."),
        ("", "Employees get 27 days."),
        (" . ", "Employees get 27 days. . "),
    ],
)
def test_part_of_a_word_or_of_a_number_is_not_verbatim(claim: str, cited: str) -> None:
    assert verdict(claim, cited) is not VERBATIM


@pytest.mark.parametrize(
    ("claim", "cited"),
    [
        ("It is 1,000 km.", "The road has 1000 kilometres."),
        ("It is 1 000 km.", "The road has 1,000 kilometers."),
        ("It takes 5.0 hours.", "The way takes five hours."),
        ("They came 3rd.", "The third place was theirs."),
        ("They met in the 21st century.", "This is of the twenty-first century."),
        ("It has 27 rooms.", "There are twenty-seven rooms."),
        ("It cost $5m.", "The price was 5 million dollars."),
        ("It cost 3.5 million.", "The price was 3,500,000 in all."),
        ("It has 250 rooms.", "There are two hundred and fifty rooms."),
        ("It grew by 5%.", "A growth of 5 per cent was seen."),
        ("It was minus 5 degrees.", "A temperature of −5 degrees."),
        ("It was on July 10, 2025.", "The day is 10 July 2025."),
        ("It was on 2025-07-10.", "The day is the 10th of July 2025."),
        ("It was in July 2025.", "The day is 2025-07-10."),
        ("It was on 7/10/2025.", "The day is 10 July 2025."),
        ("It was from 5-7 March.", "The days were 7 March and March 5."),
        ("Version 1.2.3 has it.", "It came with v1.2.3 at last."),
        ("It has 27 days.", "２７ days in all."),
        ("It has 27 days.", "٢٧ days in all."),
        ("2025年7月10日。", "日付は2025年7月10日です。"),
        ("Rollo's heirs ruled.", "The heirs of Rollo, as kings."),
        ("The Normans ruled.", "A Norman king was their ruler."),
        ("Emile ruled.", "The ruler was Émile."),
        ("In the U.S. it rained.", "There was rain in the US then."),
        ("AppleTalk was used.", "They went on to use Apple Talk there."),
        ("It is in RFC2616.", "The text stands in RFC 2616 now."),
        ("Set max_tokens to 5.", "The value of `max_tokens` is 5."),
        ("Workers get 27 days.", "Employees get 27 days."),
        ("However, they get 27 days.", "Employees get 27 days."),
        ("They get 27 days.", "Employees get 27 days."),
        ("第1章のアメリカ", "アメリカの第1章です。"),
        ("Der Urlaub der Mitarbeiter ist 27 Tage lang.", "Die Angestellten erhalten 27 Tage."),
        ("Тогда Бронкос победил Питтсбург.", "Победа Бронкоса над Питтсбургом была важной."),
        ("Los empleados tienen 27 días.", "Cada empleado tiene 27 días de vacaciones."),
    ],
)
def test_the_same_number_date_or_name_written_differently_supports(claim: str, cited: str) -> None:
    assert check(claim, cited) == Check(SUPPORTED)


@pytest.mark.parametrize(
    ("claim", "cited", "missing"),
    [
        ("it takes 3 days", "In all, it took 3.5 days to finish.", "3 days"),
        ("it costs 1,000 in all", "The cost is 1,000,000 in all years.", "1,000"),
        ("it was 5 in May", "It was -5 degrees in May.", "5"),
        ("it was -5 in May", "It was 5 degrees in May.", "-5"),
        ("it is 5 km away", "It weighs 5 kg and is away.", "5 km"),
        ("it is at 10:30 am", "It is at 10:30 pm.", "10:30 am"),
        ("it has 12 of them", "It has 312456 of them.", "12"),
        ("it has 5 million of them", "It has 5 of them.", "5 million"),
        ("it was on 12 July 2025", "It was on 10 July 2025.", "12 July 2025"),
        ("it was in the 1990s", "It was in 1890, or in the 1980s.", "1990s"),
        ("it needs version 1.10", "It needs version 1.1 to run.", "1.10"),
        ("it needs v1.2.4 to run", "It needs v1.2.3 to run.", "v1.2.4"),
        ("in 1890 Ida met Émile", "Ida travelled alone in 1890.", "Émile"),
        ("Ida went to Österreich", "Ida went abroad.", "Österreich"),
        ("Tom Miller ruled in 911", "Rollo ruled in 911.", "Tom"),
        ("set MAX_LEN here", "Set max_tokens here, and min_len.", "MAX_LEN"),
        ("the iPhone is here", "The phone is here.", "iPhone"),
        ("アメリカの第1章", "フランスの第1章です。", "アメリカ"),
    ],
)
def test_a_particular_that_is_not_there_is_named(claim: str, cited: str, missing: str) -> None:
    found = check(claim, cited)

    assert found.verdict in (PARTIAL, UNSUPPORTED)
    assert missing in found.missing


def test_supported_partial_and_unsupported_count_what_stands_there() -> None:
    cited = "Ida Berg founded it in 1998."

    assert check("In 1998 it was founded by Ida Berg.", cited) == Check(SUPPORTED)
    assert check("In 1998 it was founded by Tom Berg.", cited) == Check(PARTIAL, ("Tom",))
    assert check("In 1999 it was founded by Tom.", cited) == Check(UNSUPPORTED, ("1999", "Tom"))


def test_a_name_that_stands_only_above_is_neither_found_nor_missing() -> None:
    claim, cited = "Nordvik was founded in 1998.", "The company was founded in 1998."

    assert check(claim, cited).missing == ("Nordvik",)
    assert check(claim, cited, "Leave at Nordvik") == Check(SUPPORTED)
    assert check("Nordvik was founded early.", cited, "Nordvik") == Check(UNCHECKED)
    assert check("It was founded in 1999.", cited, "1999").verdict is UNSUPPORTED


def test_a_claim_about_something_else_is_not_supported_by_a_name_that_is_there_too() -> None:
    claim = "Ida Berg enjoys mountain walks with friends every single winter morning."

    assert check(claim, "Ida Berg founded the company.") == Check(PARTIAL, off_topic=True)
    assert check(claim.replace("Ida Berg", "She"), "The canteen opens.") == Check(
        UNSUPPORTED, off_topic=True
    )
    few, german = "She walks early.", "Sie wandert mit Freunden durch die Berge im Winter."
    assert check(few, "The canteen opens.") == Check(UNCHECKED)
    assert check(german, "The walks in the mountains are for friends.") == Check(UNCHECKED)


def test_a_first_word_is_found_only_where_its_capital_is_not_from_its_place() -> None:
    assert check("Rollo was a ruler.", "Rollo became the king of them.") == Check(UNCHECKED)
    assert check("Rollo was a ruler.", "The king of them was Rollo.") == Check(SUPPORTED)
    assert check("Tancred was a ruler.", "The king was Rollo.") == Check(UNSUPPORTED, ("Tancred",))
    assert check("Holidays end in April.", "Holidays end in March.") == Check(
        UNSUPPORTED, ("April",)
    )


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=20))
def test_a_verdict_is_given_for_any_text(claim: str, cited: str, context: str) -> None:
    found = check(claim, cited, context)

    assert found.verdict in Verdict
    assert not found.missing or found.verdict in (PARTIAL, UNSUPPORTED)


WORD = st.sampled_from(
    ["Ida", "Berg", "27", "days", "1,000", "July", "10,", "2025", "five", "-3", "%", "v1.2", "UN"]
)
WORDS = st.lists(WORD, min_size=1, max_size=12).map(" ".join)


@given(WORDS, WORDS, WORDS)
def test_what_stands_there_word_for_word_is_never_flagged(
    before: str, claim: str, after: str
) -> None:
    assert check(claim, claim) == Check(VERBATIM)
    assert check(f"{claim}.", f"{before}. {claim}. {after}.").verdict is VERBATIM


def test_time_is_linear_in_the_length_of_the_texts() -> None:
    def seconds(text: str) -> float:
        began = time.perf_counter()
        check(text + " x", text + " y", text)
        return time.perf_counter() - began

    for unit in (
        "Ida ",
        "1,0",
        "1 000 ",
        "one hundred and ",
        "July 10, ",
        "U.S",
        "-",
        "*a_",
        "日本",
        "5/",
    ):
        short, long = (min(seconds(unit * size) for _ in range(3)) for size in (200, 4000))
        assert long < 120 * max(short, 0.001), (unit, short, long)
