"""Chunks: within the model's limit, along the structure, with every word in one of them.

Run with the word tokenizer of the tests, and with the packaged model's own (no torch needed).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.embedding import ModelTokens, Tokens, model_folder
from corpus.encoders.transformer import SentenceTransformerEncoder
from corpus.settings import EmbeddingSettings
from ingest.chunker import Draft, chunk
from ingest.parsed import Block, Kind, Parsed
from ingest.readers import html, markdown, text
from tests.conftest import WordTokens

WORD = re.compile(r"\w+")
PROSE = (
    "The committee meets on the first Tuesday of each month. It hears what was done and decides "
    "what comes next. Minutes are kept; they are sent to everybody within a week. "
)


@cache
def model_tokens() -> ModelTokens:
    return ModelTokens(model_folder("all-MiniLM-L6-v2"), 256)


TOKENIZERS: dict[str, Callable[[], Tokens]] = {"words": WordTokens, "model": model_tokens}
with_each_tokenizer = pytest.mark.parametrize("tokenizer", TOKENIZERS)


def parsed_of(
    *blocks: tuple[Kind, str, tuple[str, ...]], title: str | None = None, between: str = "\n\n"
) -> Parsed:
    """A document of these blocks, one after the other."""
    whole, found = "", []
    for kind, words, headings in blocks:
        found.append(Block(kind, len(whole), len(whole) + len(words), headings))
        whole += words + between
    return Parsed(whole, tuple(found), title)


def checked(parsed: Parsed, tokens: Tokens, target: int = 10**6) -> list[Draft]:
    """The chunks of a document, after the promises that hold for any were seen to hold."""
    drafts = chunk(parsed, tokens, target)
    limit = min(target, tokens.limit)
    counts = tokens.count([draft.embedded for draft in drafts])
    for draft, count in zip(drafts, counts, strict=True):
        span = parsed.text[draft.start : draft.end]
        assert draft.tokens == count <= limit, f"{count} tokens in {draft.embedded[:200]!r}"
        assert span
        assert span == span.strip()
        assert draft.embedded.endswith(span), "what is embedded is the span, after its headings"
    for one, other in pairwise(drafts):
        assert one.end <= other.start, "in reading order, no character twice"
    assert unsearched(parsed, drafts) == []
    return drafts


def unsearched(parsed: Parsed, drafts: list[Draft]) -> list[str]:
    """Words of the blocks that stand in no chunk."""
    covered = bytearray(len(parsed.text))
    for draft in drafts:
        covered[draft.start : draft.end] = b"\x01" * (draft.end - draft.start)
    return [
        match.group()[:80]
        for block in parsed.blocks
        for match in WORD.finditer(parsed.text, block.start, block.end)
        if not all(covered[slice(*match.span())])
    ]


def spans(parsed: Parsed, drafts: list[Draft]) -> list[str]:
    return [parsed.text[draft.start : draft.end] for draft in drafts]


@with_each_tokenizer
def test_a_short_document_is_one_chunk_with_its_title(tokenizer: str) -> None:
    parsed = markdown.read(b"# Leave\n\nEveryone gets 27 days.\n\nAsk early.").documents[0]

    (draft,) = checked(parsed, TOKENIZERS[tokenizer]())

    assert draft.embedded == f"Leave\n{parsed.text[2:]}"
    assert draft.headings == ()


@with_each_tokenizer
@pytest.mark.parametrize("target", [16, 30, 64, 10**6])
def test_a_long_document_is_cut_between_sentences(tokenizer: str, target: int) -> None:
    parsed = text.read(f"Minutes\n\n{PROSE * 20}".encode()).documents[0]

    drafts = checked(parsed, TOKENIZERS[tokenizer](), target)

    assert len(drafts) > 2
    if target > 40:
        for draft in drafts:
            assert parsed.text[draft.end - 1] in ".;", parsed.text[draft.start : draft.end]


@with_each_tokenizer
def test_chunks_fill_what_they_may_hold(tokenizer: str) -> None:
    tokens = TOKENIZERS[tokenizer]()
    drafts = checked(text.read((PROSE * 40).encode()).documents[0], tokens)

    assert all(draft.tokens > tokens.limit / 2 for draft in drafts[:-1])


@with_each_tokenizer
def test_sections_are_never_mixed(tokenizer: str) -> None:
    parsed = markdown.read(
        b"# Title\n\nLead.\n\n## One\n\nAlpha.\n\n### Deep\n\nBeta.\n\n## Two\n\nGamma.\n"
    ).documents[0]

    drafts = checked(parsed, TOKENIZERS[tokenizer]())

    assert spans(parsed, drafts) == [
        "Title\n\nLead.",
        "One\n\nAlpha.",
        "Deep\n\nBeta.",
        "Two\n\nGamma.",
    ]
    assert [draft.embedded.partition("\n")[0] for draft in drafts] == [
        "Title",
        "Title > One",
        "Title > One > Deep",
        "Title > Two",
    ]


@with_each_tokenizer
def test_neighbouring_sections_of_one_name_stay_two(tokenizer: str) -> None:
    parsed = markdown.read(
        b"# Manual\n\nLead.\n\n## Example\n\nAlpha.\n\n## Example\n\nBeta.\n"
    ).documents[0]

    drafts = checked(parsed, TOKENIZERS[tokenizer]())

    assert spans(parsed, drafts)[1:] == ["Example\n\nAlpha.", "Example\n\nBeta."]


def test_pages_are_never_mixed() -> None:
    pages = (Block(Kind.PARAGRAPH, 0, 6, page=1), Block(Kind.PARAGRAPH, 7, 13, page=2))

    drafts = checked(Parsed("One a. Two b.", pages), WordTokens())

    assert [(draft.page, draft.embedded) for draft in drafts] == [(1, "One a."), (2, "Two b.")]


@with_each_tokenizer
def test_a_heading_with_nothing_below_it_is_found_too(tokenizer: str) -> None:
    parsed = markdown.read(b"# T\n\nText.\n\n## Appendix zymurgy\n\n## Last\n\nMore.").documents[0]

    drafts = checked(parsed, TOKENIZERS[tokenizer]())

    assert any("zymurgy" in parsed.text[draft.start : draft.end] for draft in drafts)


@with_each_tokenizer
def test_a_document_of_headings_only_is_not_lost(tokenizer: str) -> None:
    parsed = markdown.read(b"# One\n\n## Two\n\n### Three").documents[0]

    assert "".join(draft.embedded for draft in checked(parsed, TOKENIZERS[tokenizer]())) != ""


@with_each_tokenizer
@pytest.mark.parametrize("kind", [Kind.TABLE, Kind.CODE])
def test_tables_and_code_are_parted_between_lines(tokenizer: str, kind: Kind) -> None:
    lines = [f"row {n} | value {n * 7} | a remark. And another" for n in range(60)]
    parsed = parsed_of((kind, "\n".join(lines), ()), title="Table")

    drafts = checked(parsed, TOKENIZERS[tokenizer](), 60)

    assert len(drafts) > 5
    for draft in drafts:
        assert set(parsed.text[draft.start : draft.end].split("\n")) <= set(lines)


@with_each_tokenizer
def test_later_parts_of_a_table_are_embedded_under_its_header(tokenizer: str) -> None:
    rows = "\n".join(f"server{n} | {n * 7} GB | Berlin" for n in range(60))
    table = f"host | memory | place\n{rows}"
    parsed = parsed_of((Kind.PARAGRAPH, PROSE.strip(), ()), (Kind.TABLE, table, ()))

    drafts = checked(parsed, TOKENIZERS[tokenizer](), 64)

    later = [one for one in drafts if parsed.text[one.start : one.end].startswith("server")]
    assert len(later) > 3
    for one in later:
        text = parsed.text[one.start : one.end]
        assert one.embedded.endswith(f"host | memory | place\n{text}")
        assert one.tokens <= 64


@with_each_tokenizer
def test_a_block_that_fits_is_not_parted(tokenizer: str) -> None:
    row = "name | size\na | 1\nb | 2"
    parsed = parsed_of((Kind.PARAGRAPH, PROSE.strip(), ()), (Kind.TABLE, row, ()))

    drafts = checked(parsed, TOKENIZERS[tokenizer](), 50)

    assert any(row in parsed.text[draft.start : draft.end] for draft in drafts)


@with_each_tokenizer
@pytest.mark.parametrize(
    "words",
    [
        "x" * 200_000,
        "ab" * 100_000,
        "0123456789abcdef" * 12_500,
        "文" * 50_000,
        "a-b/c+" * 30_000,
        "=" * 200_000,
        "\u0301" * 50_000 + "x",
        "𝔘" * 20_000,
        "ﬁ" * 20_000,
        "😀" * 20_000,
        "lorem\xa0ipsum\u2009" * 20_000,
    ],
    ids=lambda words: f"{words[:6]!a}",
)
def test_words_without_an_end_are_parted_and_quickly(tokenizer: str, words: str) -> None:
    began = time.process_time()
    for kind in (Kind.PARAGRAPH, Kind.CODE):
        checked(parsed_of((kind, words, ())), TOKENIZERS[tokenizer]())
        checked(parsed_of((kind, words, ())), TOKENIZERS[tokenizer](), 16)
    assert time.process_time() - began < 20


HARD = st.lists(
    st.sampled_from(
        [
            *("unbelievable", "antidisestablishmentarianism", "qzxjkvbqzxjkvb", "0x3f9c12ab77"),
            *(
                "https://example.org/a-b_c?d=e&f=%20g#h",
                "naïveté",
                "文字",
                "é",
                "e\u0301",
                "\u200b",
            ),
            *(" ", " ", "\n", ". ", "\n\n", "x" * 99, "x" * 101, "1234567890" * 9, "--", "ß", "İ"),
        ]
    )
    | st.text(max_size=8),
    max_size=80,
).map("".join)


@with_each_tokenizer
def test_a_word_that_is_parted_leaves_no_white_space_at_the_ends(tokenizer: str) -> None:
    for count in range(300, 400):
        checked(parsed_of((Kind.PARAGRAPH, "x" * count + "\r0", ())), TOKENIZERS[tokenizer](), 24)


@with_each_tokenizer
@given(st.lists(HARD, min_size=1, max_size=4), st.sampled_from([16, 24, 64, 10**6]), st.data())
@settings(max_examples=150, deadline=None)
def test_no_text_makes_a_chunk_too_long_or_loses_a_word(
    tokenizer: str, parts: list[str], target: int, data: st.DataObject
) -> None:
    kinds = st.sampled_from([Kind.PARAGRAPH, Kind.LIST, Kind.TABLE, Kind.CODE])
    names = st.lists(st.sampled_from(["One", "a" * 150, "Two words", PROSE]), max_size=3)
    blocks = [
        (data.draw(kinds), part.strip(), tuple(data.draw(names))) for part in parts if part.strip()
    ]
    checked(parsed_of(*blocks, title=data.draw(st.none() | HARD)), TOKENIZERS[tokenizer](), target)


@pytest.mark.parametrize("target", [16, 32, 100, 256])
@pytest.mark.parametrize("word", ["qz{}xjkv-", "{}qwrtpsdfghjklzxcvb/", "https://x.org/{}zxcvbn?"])
def test_a_word_of_many_pieces_that_is_cut_keeps_within_the_limit(word: str, target: int) -> None:
    """A piece that begins within a word is tokenised otherwise than it was in the word."""
    words = "".join(word.format(n) for n in range(400))

    checked(parsed_of((Kind.CODE, words, ())), model_tokens(), target)


def test_the_prefix_that_the_model_wants_is_counted_too() -> None:
    """``embedding.document_prefix`` stands before each chunk when it is embedded."""
    wanted = EmbeddingSettings(document_prefix="represent this passage for retrieval: ")
    encoder = SentenceTransformerEncoder(wanted)
    words = parsed_of((Kind.CODE, "\n".join(["word"] * 1000), ()))
    drafts = chunk(words, encoder.tokens, 10**6)

    bare = ModelTokens(model_folder(wanted.model), encoder.tokens.limit)
    embedded = [wanted.document_prefix + draft.embedded for draft in drafts]
    assert max(bare.count(embedded)) <= encoder.tokens.limit


@with_each_tokenizer
def test_five_thousand_headings_are_cut_quickly(tokenizer: str) -> None:
    source = "# Title\n\n" + "".join(
        f"{'#' * (2 + n % 5)} Heading number {n}\n\nText number {n}.\n\n" for n in range(5000)
    )
    parsed = markdown.read(source.encode()).documents[0]
    began = time.process_time()

    drafts = checked(parsed, TOKENIZERS[tokenizer]())

    assert len(drafts) == 5000
    assert time.process_time() - began < 20


@with_each_tokenizer
def test_headings_nested_without_end_leave_room_for_the_text(tokenizer: str) -> None:
    headings = tuple(f"Level {n}" for n in range(1000))
    began = time.process_time()

    (draft,) = checked(
        parsed_of((Kind.PARAGRAPH, "The text.", headings), title="T"), TOKENIZERS[tokenizer]()
    )

    assert draft.embedded.endswith(" > Level 999\nThe text."), "the innermost says most"
    assert time.process_time() - began < 5


@with_each_tokenizer
@pytest.mark.parametrize("heading", ["word " * 40_000, "x" * 200_000, "\n" * 1000, "文" * 50_000])
def test_a_heading_that_is_too_long_gives_way(tokenizer: str, heading: str) -> None:
    (draft,) = checked(
        parsed_of((Kind.PARAGRAPH, "The text.", (heading,)), title=heading), TOKENIZERS[tokenizer]()
    )

    assert draft.headings == (heading,)
    assert draft.embedded.endswith("The text.")


def test_a_title_that_is_one_endless_word_is_not_embedded_whole() -> None:
    """One unknown token may hide any length; every chunk would carry it."""
    drafts = checked(parsed_of((Kind.PARAGRAPH, PROSE * 20, ()), title="x" * 10**5), model_tokens())

    assert sum(len(draft.embedded) for draft in drafts) < 10**5


@with_each_tokenizer
@pytest.mark.parametrize(
    "line", ["word", "a. b. c.", "\u200b", "\ufffd", "| a | b |", "# x", "- ", "é\u0301"]
)
def test_time_grows_with_the_length_and_not_with_its_square(tokenizer: str, line: str) -> None:
    tokens = TOKENIZERS[tokenizer]()

    def seconds(lines: int) -> float:
        parsed = parsed_of((Kind.CODE, "\n".join([line] * lines), ()))
        began = time.process_time()
        chunk(parsed, tokens, 160)
        return time.process_time() - began

    seconds(100)
    small, large = max(seconds(2_000), 0.02), seconds(16_000)
    assert large < small * 8 * 4, f"{small:.2f} s for 2,000 lines, {large:.2f} s for 16,000"


@with_each_tokenizer
def test_real_pages_keep_every_word(tokenizer: str) -> None:
    page = (
        "<html><head><title>Page</title></head><body><h1>Page</h1><p>Lead in.</p>"
        "<h2>Table</h2><table><tr><th>a</th><th>b</th></tr>"
        + "".join(f"<tr><td>cell {n}</td><td>{PROSE}</td></tr>" for n in range(9))
        + "</table><pre>code\nline</pre></body></html>"
    )
    checked(html.read(page.encode()).documents[0], TOKENIZERS[tokenizer]())


def test_a_document_without_blocks_has_no_chunks() -> None:
    assert chunk(Parsed("---\nx: y\n---", ()), WordTokens(), 100) == []
