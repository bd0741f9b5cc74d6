"""Sentences: what a citation quotes is one whole sentence, and no character gets lost."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.sentences import sentence_spans


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


CASES = {  # each text with a bar where it must be split, and nowhere else
    "plain": "One is here. ‖Two is there.",
    "question and exclamation": "Is it? ‖It is! ‖Good.",
    "no stop at the end": "One is here. ‖two words follow",
    "title": "Mr. Smith met Dr. Jones. ‖They talked.",
    "initials": "J. R. R. Tolkien wrote it. ‖George W. Bush did not.",
    "initial that ends": "We need a plan B. ‖The rest is easy.",
    "latin": "Use a shell, e.g. Bash, i.e. a prompt. ‖Done.",
    "compare": "See cf. Knuth vs. Dijkstra et al. 1972. ‖Then stop.",
    "country": "The U.S. Army left. ‖He lives in the U.S. ‖The end.",
    "time of day": "It opens at 9 a.m. on Monday. ‖It shuts at 5 p.m. ‖We wait.",
    "company": "Acme Inc. Holdings paid. ‖He joined Acme Inc. ‖They hired him.",
    "degree": "She holds a Ph.D. in physics. ‖He does not.",
    "junior": "Martin Luther King Jr. Day is in January. ‖It is a holiday.",
    "et cetera": "Pens, ink, etc. are here. ‖We sell paper, etc. ‖The shop is open.",
    "figure": "As Fig. 3 and Eq. (4) show. ‖No. 7 wins.",
    "the answer no": "Is it so? ‖No. ‖It is not.",
    "pages": "See pp. 12 and vol. 3. ‖Read on.",
    "month": "On Jan. 5 it snowed. ‖In Dec. 1999 it did not.",
    "decimal": "It costs 3.50 or .75 euros. ‖That is 1.5 more.",
    "version": "Since v1.2.3 it works. ‖Before 1.2.0. ‖Now it does.",
    "year at the end": "It was built in 1889. ‖It is tall. ‖300 metres.",
    "address": "See https://example.org/a.b?c=d.e and docs/read.me. ‖Then go.",
    "file name": "Open rag.toml first. ‖Close it.",
    "ellipsis inside": "He waited... and waited. ‖Nothing.",
    "ellipsis at the end": "He waited... ‖Nothing came… ‖So he left.",
    "spaced ellipsis": "He waited . . . and left. ‖Good.",
    "quote after the stop": 'He said "Stop." ‖"Why?" she asked. ‖"Go."',
    "curly quotes": "“It is late.” ‖‘Go home.’ ‖We went.",
    "question in a sentence": 'He asked "Why?" and left. ‖Nobody knew.',
    "brackets": "It works (see below). ‖(It does.) ‖Good [1]. ‖Fine.",
    "stop inside brackets": "This (approx. 5 kg) is heavy. ‖Lift it.",
    "emphasis": "**Do this.** ‖_Then that._ ‖`Run it.` ‖End.",
    "interrobang": "What?! ‖No way!! ‖Yes.",
    "brand with a mark": "Yahoo! is a company. ‖It is old.",
    "lower-case sentences": "i love this book. ‖it reads well.",
    "approximately": "It is approx. five miles, est. in 1900. ‖Walk.",
    "number sign": "We are no. 1 in town. ‖Come in.",
    "spaces before stops": "It is seasonal . ‖The `` end '' is near . ‖Mr. X left .",
    "quotes before spaces": "`` It is late . '' ‖He left .",
    "list": "- one thing\n‖- another.\n‖It has two.\n‖* third",
    "wrapped item": "- one thing\n  that goes on\n‖- another",
    "numbered list": "1. Open the lid.\n‖2. Press the key.\n‖(3) Wait.\n‖b) Go on",
    "nested list": "- one\n‖\t- inner\n‖\t\t1. deepest",
    "heading": "# 1. Title\n‖Text under\nit.\n‖## Next\n‖More",
    "table": "| name | size |\n‖| --- | --- |\n‖| a. b | 2 |",
    "bare table": "name | size\n‖Berlin | 2",
    "lead-in": "Do the following:\n‖Open the lid.",
    "blank line": "a title ‖\n\nText without stop ‖\n \nmore",
    "wrapped prose": "This goes\non and on. ‖Then it\nends",
    "windows lines": "This goes\r\non. ‖\r\n\r\nThen ends",
    "underlined heading": "Title\n‖=====\n‖Text here.",
    "code": "```python\n‖a = 1.\n‖b = 2\n‖```\n‖Text.\n‖More.",
    "front matter": "---\n‖title: x\n‖---",
    "chinese": "这是第一句。‖你好吗？‖很好！‖“走吧。”‖他说。",
    "japanese": "これは文です。‖「すごい。」と言った。‖次。",
    "hindi": "यह वाक्य है। ‖दूसरा वाक्य है॥ ‖अंत",
    "arabic": "هل هذا صحيح؟ ‖نعم. ‖شكرا",
    "urdu": "یہ جملہ ہے۔ ‖دوسرا جملہ",
    "russian": "Это первое. ‖Второе! ‖Третье…",
    "thai": "ประโยคแรก ประโยคที่สอง",
    "nothing": "",
    "only space": " \n\t ",
    "only marks": "... !!! ???",
}


@pytest.mark.parametrize("name", CASES)
def test_a_text_is_split_where_a_reader_would(name: str) -> None:
    marked = CASES[name]

    assert split(marked.replace("‖", "")) == [
        part.strip() for part in marked.split("‖") if part.strip()
    ]


_PIECES = st.sampled_from(
    [
        *"ab.?!…。」\"') \n\t|#-12I",
        "Mr.",
        "e.g. ",
        "U.S. ",
        "The ",
        ". ",
        "\n\n",
        "\r\n",
        "- ",
        "```\n",
    ]
)


@given(st.lists(_PIECES | st.text(max_size=3), max_size=60).map("".join), st.data())
def test_no_character_gets_lost_whatever_the_text(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))

    spans = sentence_spans(text, start, end)

    edge = start
    for low, high in spans:
        assert edge <= low < high <= end, "in order, disjoint, not empty, inside the range"
        assert text[edge:low].strip() == "", "only white space lies between two sentences"
        assert text[low:high] == text[low:high].strip()
        edge = high
    assert text[edge:end].strip() == ""


def test_a_range_is_split_like_a_text_of_its_own() -> None:
    text = "Before it. One is here. Two is there. After it."
    start, end = text.index("One"), text.index(" After")

    assert [text[a:b] for a, b in sentence_spans(text, start, end)] == split(text[start:end])


@pytest.mark.parametrize(
    "piece",
    [".", ". ", "a. ", "\n", "- ", ".)", ". ''", "| ", "[a", "[a\n", "= ", "1. ", '"', "(1) "],
)
def test_hostile_input_takes_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    began = time.process_time()

    sentence_spans(text + "x")

    assert time.process_time() - began < 2  # a quadratic scan of this takes minutes
