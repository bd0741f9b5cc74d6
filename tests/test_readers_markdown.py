"""Markdown: the text is the file's, structure follows CommonMark, and no word gets lost."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parsed import Kind, Parsed, Reading
from ingest.readers import front_matter, reader_for
from tests.reading import blocks, checked, prose, unsearched

LINES = st.lists(
    st.one_of(
        st.text("ab #>-*`|~[]()<!_=+:1.\t\\", max_size=12),
        st.sampled_from(
            ["", "# A", "## *B*", "- a", "  - b", "1. c", "> q", "```", "|a|b|", "|-|-|"]
        ),
        st.sampled_from(["    code", "===", "---", "<!-- c -->", "<div>", "[r]: /x", "{{< n >}}"]),
    )
)


def read_all(text: str) -> Reading:
    return checked(reader_for("md")(text.encode()))


def read(text: str) -> Parsed:
    return read_all(text).documents[0]


def outline(document: Parsed) -> list[tuple[tuple[str, ...], str]]:
    return [
        (block.headings, words)
        for block, words in zip(document.blocks, blocks(document), strict=True)
    ]


@given(lines=LINES, newline=st.sampled_from(["\n", "\r\n", "\r"]))
def test_the_text_is_verbatim_whatever_the_markup(lines: list[str], newline: str) -> None:
    text = newline.join(lines)

    assert read(text).text == text


@given(
    words=st.lists(st.from_regex(r"[a-z]{3}[0-9]", fullmatch=True), min_size=1),
    marks=st.lists(st.sampled_from(["", "> ", "- ", "1. ", "  ", "> > ", "# ", "- - ", "\n"])),
)
def test_every_word_is_in_a_block(words: list[str], marks: list[str]) -> None:
    """Words that follow any nesting of marks, also deeper than the parser goes."""
    lines = ["".join(marks[i:]) + word for i, word in enumerate(words)]

    assert set(words).isdisjoint(unsearched(read("\n".join(lines))))


def test_words_below_the_parsers_nesting_limit_are_kept() -> None:
    document = read("> " * 60 + "deep words\n\n" + "after")

    assert blocks(document) == ["deep words", "after"]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_blocks_stand_under_their_headings(newline: str) -> None:
    text = (
        "# The *title*\n\nIntro\nof two lines.\n\n## Set `up` [here](/x)\n\n- a\n- b\n  - c\n\n"
        "Sub\n---\n\n```sh\nrun  it\n```\n\n### Deep\n\n> Quoted.\n\n"
        "# Next\n\n|a|b|\n|-|-|\n|1|2|\n"
    ).replace("\n", newline)

    document = read(text)

    assert document.title == "The title"
    assert [(path, words.replace(newline, "\n")) for path, words in outline(document)] == [
        ((), "The *title*"),
        ((), "Intro\nof two lines."),
        (("Set up here",), "Set `up` [here](/x)"),
        (("Set up here",), "- a\n- b\n  - c"),
        (("Sub",), "Sub"),
        (("Sub",), "run  it"),
        (("Sub", "Deep"), "Deep"),
        (("Sub", "Deep"), "Quoted."),
        (("Next",), "Next"),
        (("Next",), "|a|b|\n|-|-|\n|1|2|"),
    ]
    assert [block.kind for block in document.blocks][3:6] == [Kind.LIST, Kind.HEADING, Kind.CODE]
    assert document.blocks[-1].kind is Kind.TABLE


def test_the_title_is_the_front_matters_then_the_first_heading() -> None:
    stated = read(
        '---\ntitle: "A: b"\ntags: [x, y]\nversion: 1.10\ndate: 2024-01-02\n---\n# a: B\n\nx'
    )

    assert (stated.title, stated.blocks[-1].headings) == ("A: b", ())
    assert stated.metadata == {"tags": "x, y", "version": "1.10", "date": "2024-01-02"}
    assert "title" not in " ".join(blocks(stated))
    assert read("+++\ntitle = 'T'\n+++\nx").title == "T"
    assert read("Text\n\n# One").title == "One"
    assert read("## Two\n\n# One").title is None
    assert read("x").title is None


def test_front_matter_that_is_none_is_text() -> None:
    broken = read_all("---\na: [\n---\nword")

    assert "front matter was read as text" in broken.remarks[0]
    assert "word" in blocks(broken.documents[0])
    assert unsearched(read("---\nwords between rules\n---\nx")) == []
    assert unsearched(read("---\nkey: never closed")) == []


@given(st.text("abc:-[]{}&*!?|>'\"%@`#, \n\t\\0"))
def test_no_front_matter_breaks_the_reader(fields: str) -> None:
    front_matter.read(f"---\n{fields}\n---\n")
    front_matter.read(f"+++\n{fields}\n+++\n")


def test_markup_is_not_searched() -> None:
    document = read(
        "<!-- note\nto self -->\n\na\n\n<script>\nx()\n</script>\n\n"
        "***\n\n<div id='x'></div>\n\n[r]: /url\n"
    )

    assert blocks(document) == ["a"]


def test_html_with_words_and_shortcodes_are() -> None:
    document = read("<div>\n<p>words</p>\n</div>\n\n{{< note >}}\nmind\n{{< /note >}}")

    assert blocks(document) == ["<div>\n<p>words</p>\n</div>", "{{< note >}}\nmind\n{{< /note >}}"]


def test_long_lists_are_parted_between_items_and_code_is_set_apart() -> None:
    items = "\n".join(f"- item {i:02} with some words in it" for i in range(40))
    parts = blocks(read(items))

    assert len(parts) > 2
    assert all(part.startswith("- item") and len(part) <= 500 for part in parts)
    assert "\n".join(parts) == items
    steps = read("1. First:\n\n   ```\n   code\n   ```\n2. Then.")
    assert [block.kind for block in steps.blocks] == [Kind.LIST, Kind.CODE, Kind.LIST]


@pytest.mark.parametrize(
    "hostile",
    [
        "> " * 100_000,
        "- " * 100_000,
        "[" * 200_000,
        "# " + "*a_" * 60_000,
        "<!--\n" * 40_000,
        "<div" * 50_000,
        "```\n" * 40_000,
        "a | b\n" * 30_000,
        "---\n" + "[" * 60_000 + "\n---\n",
        "---\na: &a [x]\n" + "b: [*a, *a]\n" * 4_000 + "---\n",
    ],
    ids=lambda text: text[:8],
)
def test_hostile_input_takes_no_more_than_moments(hostile: str) -> None:
    begin = time.process_time()
    read(hostile)
    assert time.process_time() - begin < 5  # measured: under 1


def test_real_files_keep_every_word(data: Path) -> None:
    files = sorted((data / "squad2_dev" / "docs").glob("*.md"))

    assert len(files) == 20
    for file in files:
        assert unsearched(checked(reader_for("md")(file.read_bytes())).documents[0]) == []


def test_an_article_has_the_same_words_in_every_format(data: Path) -> None:
    folder = data / "formats_parity_dev" / "docs"
    for file in sorted((folder / "md").glob("*.md")):
        md = reader_for("md")(file.read_bytes()).documents[0]
        html = reader_for("html")((folder / "html" / f"{file.stem}.html").read_bytes()).documents[0]
        txt = reader_for("txt")((folder / "utf16txt" / f"{file.stem}.txt").read_bytes()).documents[
            0
        ]

        assert md.title == html.title == txt.title
        assert len(prose(md)) > 1000
        assert prose(md) == prose(html) == prose(txt)
