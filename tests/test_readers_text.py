"""Plain text: every word can be found, and structure is seen only where it is certain."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.parsed import Block, Kind, Parsed
from ingest.readers import FORMATS, VERSION, reader_for
from tests.reading import blocks, checked, unsearched

LINES = st.lists(
    st.one_of(
        st.text("ab .-=1)#\t\u2003", max_size=30),
        st.sampled_from(["", "=====", "-----", "- item", "1. A", "ARTICLE IV", "A sentence."]),
    )
)


def read(text: str) -> Parsed:
    return checked(reader_for("txt")(text.encode())).documents[0]


@given(lines=LINES, newline=st.sampled_from(["\n", "\r\n", "\r"]))
def test_the_text_is_verbatim_and_every_word_is_in_a_block(lines: list[str], newline: str) -> None:
    text = newline.join(lines)

    document = read(text)

    assert document.text == text
    assert unsearched(document) == []


def test_a_short_line_above_the_text_is_its_title() -> None:
    document = read("Travel  policy\n\nBook early.\n\nAsk first.")

    assert document.title == "Travel policy"
    assert blocks(document) == ["Travel  policy", "Book early.", "Ask first."]
    assert document.blocks[1].headings == ()


def test_what_may_be_no_title_is_none() -> None:
    assert read("A sentence stands here.\n\nAnd here.").title is None
    assert read("Only one line").title is None
    assert read("EXHIBIT 10.2\n\nText.").title is None
    assert read("- item\n\nText.").title is None
    assert read("one line\nand its next\n\nText.").title is None


def test_underlined_lines_are_headings_by_the_order_of_their_marks() -> None:
    document = read("Guide\n=====\n\nIntro.\n\nSetup\n-----\nDo it.\n\nUse\n~~~\nx\n\nEnd\n---\ny")

    assert document.title == "Guide"
    assert [(block.headings, words) for block, words in zip_blocks(document)][1:] == [
        ((), "Intro."),
        (("Setup",), "Setup"),
        (("Setup",), "Do it."),
        (("Setup", "Use"), "Use"),
        (("Setup", "Use"), "x"),
        (("End",), "End"),
        (("End",), "y"),
    ]


def test_numbered_lines_in_capitals_are_headings_and_tables_of_contents_are_not() -> None:
    document = read("x y.\n\nARTICLE IV\n\na\n\n3.1 DEFINITIONS\n\nb\n\n4. FEES   12\n\n2019\n\nc")

    assert blocks(document, Kind.HEADING) == ["ARTICLE IV", "3.1 DEFINITIONS"]


def test_a_line_is_a_paragraph_where_no_line_is_blank() -> None:
    long = "This line is a whole paragraph and goes on for quite some time, as they do. " * 3
    sentences = ["One is here.", "Two is there.", "Three too.", "Four also."]

    assert blocks(read("\n".join([long, long]))) == [long.strip()] * 2
    assert blocks(read("\n".join(sentences))) == sentences
    assert blocks(read("broken by hand\nand going on\nto the end.")) == [
        "broken by hand\nand going on\nto the end."
    ]


def test_list_items_stay_together_in_short_runs() -> None:
    short, long = "\n".join(f"- item {i}" for i in range(9)), f"- {'words ' * 60}\n  and more"

    assert blocks(read(f"x.\n\n{short}"), Kind.LIST) == [short]
    assert blocks(read(f"{long}\n{long}"), Kind.LIST) == [long, long]


def test_every_suffix_has_a_reader_and_every_reader_a_version() -> None:
    assert FORMATS[".md"] == "md"
    assert all(callable(reader_for(name)) and VERSION[name] >= 1 for name in FORMATS.values())


def zip_blocks(document: Parsed) -> list[tuple[Block, str]]:
    return list(zip(document.blocks, blocks(document), strict=True))
