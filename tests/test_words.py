"""Word search: what is found, what counts how much, and an index that shares files unharmed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus import footers
from corpus.types import Chunk, Document
from corpus.words import WordIndex, WordIndexBuilder
from tests.conftest import tree


def chunk(number: int, text: str, document: str = "", title: str = "", *headings: str) -> Chunk:
    name = document or f"{number}.bin"
    return Chunk(number, name, title, "txt", 0, len(text), text, headings)


def add(builder: WordIndexBuilder, one: Chunk) -> None:
    document = Document(one.document_id, one.document_id, one.title, one.text, one.format)
    builder.add(document, [one])


def build(folder: Path, *chunks: Chunk) -> WordIndex:
    folder.mkdir(parents=True)
    with WordIndexBuilder(folder, None) as builder:
        for one in chunks:
            add(builder, one)
        builder.finish()
    return WordIndex(folder)


def found(index: WordIndex, text: str, k: int = 10) -> list[int]:
    ids, scores = index.search(text, k)
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    return list(ids.tolist())


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> WordIndex:
    return build(
        tmp_path_factory.mktemp("words") / "index",
        chunk(1, "The committee discussed the running costs."),
        chunk(2, "The committee met the committee about zymurgy."),
        chunk(3, "Café menus and naïve prices."),
        chunk(4, "Nothing here.", "handbook/vacation.md", "Holidays", "Carry over"),
        chunk(5, "C++ and C# were compared; see RFC 2119."),
        chunk(6, "The committee adjourned."),
    )


def test_a_rare_word_outweighs_common_ones(index: WordIndex) -> None:
    assert found(index, "the committee of zymurgy")[0] == 2


@pytest.mark.parametrize("query", ["holidays", "carry", "vacation", "handbook"])
def test_title_headings_and_path_are_searched(index: WordIndex, query: str) -> None:
    assert found(index, query) == [4]


@pytest.mark.parametrize(
    ("query", "expected"),
    [("run cost", 1), ("cafe", 3), ("NAÏVE", 3), ("rfc-2119", 5), ("committees adjourning", 6)],
)
def test_forms_accents_and_case_of_a_word_are_one(
    index: WordIndex, query: str, expected: int
) -> None:
    assert found(index, query)[0] == expected


def test_equal_scores_come_in_the_order_of_the_ids(tmp_path: Path) -> None:
    same = build(tmp_path / "index", *(chunk(n, "exactly alike", "a.txt") for n in (5, 3, 9, 1)))

    assert found(same, "alike") == [1, 3, 5, 9]


@pytest.mark.parametrize("order", [[0, 1, 3, 2], [3, 2, 1, 0], [0, 3, 1, 2]])
def test_which_of_equal_chunks_are_found_does_not_hang_on_the_order_of_writing(
    tmp_path: Path, order: list[int]
) -> None:
    same = build(tmp_path / "index", *(chunk(n, "exactly alike", "a.txt") for n in order))

    assert [found(same, "alike", k) for k in (1, 2, 3)] == [[0], [0, 1], [0, 1, 2]]


@pytest.mark.parametrize(
    "query",
    [
        *('"committee', "committee AND", "(committee", "committee:", "NOT committee"),
        *("title:[a TO committee", "^2 ~ \\ committee*"),
    ],
)
def test_there_is_no_query_syntax(index: WordIndex, query: str) -> None:
    assert set(found(index, query)) >= {1, 2, 6}


@settings(deadline=None)
@given(st.text(max_size=200) | st.text('"():[]{}^~*?\\+-!&|/<> ANDORT', max_size=50))
def test_any_text_can_be_asked_for(index: WordIndex, text: str) -> None:
    assert len(found(index, text, 3)) <= 3


def test_a_question_without_words_finds_nothing(index: WordIndex) -> None:
    for text in ("", "   ", "?!", "🙂"):
        assert found(index, text) == []


def test_an_empty_index_can_be_asked_and_grown(tmp_path: Path) -> None:
    assert found(build(tmp_path / "empty"), "anything") == []
    names = [path.name for path in (tmp_path / "empty").iterdir()]
    (tmp_path / "next").mkdir()
    with WordIndexBuilder(tmp_path / "next", tmp_path / "empty", names) as builder:
        add(builder, chunk(1, "something"))
        builder.finish()

    assert found(WordIndex(tmp_path / "next"), "something") == [1]


def test_a_child_index_leaves_its_parents_files_and_answers_as_they_were(tmp_path: Path) -> None:
    parent = build(
        tmp_path / "parent", *(chunk(n, f"text about subject{n}", f"{n}.txt") for n in range(30))
    )
    before, answers = dict(tree(tmp_path / "parent")), found(parent, "subject7 text", 30)
    (tmp_path / "child").mkdir()

    names = [name for name in before if not name.endswith(".lock")]
    with WordIndexBuilder(tmp_path / "child", tmp_path / "parent", names) as builder:
        for number in range(0, 30, 2):
            builder.remove(f"{number}.txt")
        add(builder, chunk(99, "text about novelties", "99.txt"))
        new = builder.finish()

    child = WordIndex(tmp_path / "child")
    assert dict(tree(tmp_path / "parent")) == before
    assert found(parent, "subject7 text", 30) == answers
    assert found(WordIndex(tmp_path / "parent"), "subject7 text", 30) == answers
    assert set(found(child, "text", 50)) == {*range(1, 30, 2), 99}
    assert len(child) == 16
    assert found(child, "subject8") == []
    assert set(new) <= {path.name for path in (tmp_path / "child").iterdir()}
    shared = set(names) - set(new)
    assert shared, "what did not change is not written anew"
    for name in shared & {path.name for path in (tmp_path / "child").iterdir()}:
        assert (tmp_path / "child" / name).samefile(tmp_path / "parent" / name)


def test_a_chunk_that_came_later_is_weighed_as_if_it_had_always_been_there(
    tmp_path: Path,
) -> None:
    texts = [chunk(n, f"common words and subject{n % 7}", f"{n}.txt") for n in range(40)]
    together = build(tmp_path / "together", *texts, chunk(99, "common subject3", "99.txt"))
    build(tmp_path / "parent", *texts)
    (tmp_path / "child").mkdir()
    names = [path.name for path in (tmp_path / "parent").iterdir() if ".lock" not in path.name]
    with WordIndexBuilder(tmp_path / "child", tmp_path / "parent", names) as builder:
        add(builder, chunk(99, "common subject3", "99.txt"))
        builder.finish()

    apart = WordIndex(tmp_path / "child")

    ids, scores = together.search("subject3 common", 41)
    other_ids, other_scores = apart.search("subject3 common", 41)
    assert other_ids.tolist() == ids.tolist()
    assert other_scores.tolist() == pytest.approx(scores.tolist(), rel=1e-4)


def test_a_document_of_any_name_can_be_removed(tmp_path: Path) -> None:
    odd = ["a b.txt", "ümlaut/文.txt", "new\nline", "A.TXT", "a.txt", '"q" AND (x', "x" * 4000]
    build(tmp_path / "parent", *(chunk(n, "word", name) for n, name in enumerate(odd)))
    names = [path.name for path in (tmp_path / "parent").iterdir() if ".lock" not in path.name]
    for number, name in enumerate(odd):
        folder = tmp_path / f"child{number}"
        folder.mkdir()
        with WordIndexBuilder(folder, tmp_path / "parent", names) as builder:
            builder.remove(name)
            builder.finish()
        assert set(found(WordIndex(folder), "word")) == set(range(len(odd))) - {number}


def test_bytes_that_are_no_index_are_a_value_error(tmp_path: Path) -> None:
    build(tmp_path / "index", chunk(1, "word"))
    (tmp_path / "index" / "meta.json").write_text("{")

    with pytest.raises(ValueError, match=r".+"):
        WordIndex(tmp_path / "index")


@pytest.mark.parametrize("kind", ["term", "idx", "fast", "fieldnorm", "store", "json"])
def test_a_file_that_the_disk_lost_part_of_is_not_taken_for_written(
    tmp_path: Path, kind: str
) -> None:
    build(tmp_path / "index", chunk(1, "The committee met."), chunk(2, "It adjourned."))
    path = next((tmp_path / "index").glob(f"*.{kind}"))
    written = path.read_bytes()
    footers.check(path)

    for damaged in (written[:-3], written[:10] + bytes(10) + written[20:], b""):
        aside = tmp_path / "damaged"  # in place it would end who still maps the file: tantivy may
        aside.write_bytes(damaged)
        aside.replace(path)
        with pytest.raises(OSError, match=f"{path.name} does not read back"):
            footers.check(path)
