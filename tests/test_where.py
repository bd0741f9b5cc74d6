"""Filters decide before a search: what is found is allowed, and as if there were nothing else."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus import filtering, texts
from corpus.build import Build
from corpus.columns import Columns
from corpus.identity import ANALYSIS, chunk_id, document_digest, source_digest
from corpus.parent import Parent
from corpus.snapshot import Snapshot
from corpus.store import Store
from corpus.texts import Entry, Facts
from corpus.types import Chunk, Document, Hit, LedgerRow, Mode, Query, Status
from corpus.where import And, Compare, Glob, Not, OneOf, Op, Or, Where, canonical
from rag.filters.parser import parse
from tests.conftest import WordHashEncoder

WORDS = ["apples", "bees", "cedars", "dunes", "elms", "ferns", "geese", "hills"]
LANGS, DATES = ["de", "fr", "EN"], ["2023-05-01", "2024-01-01", "2024-06-30T12:00:00+02:00"]

METADATA = st.fixed_dictionaries(
    {},
    optional={
        "lang": st.sampled_from(LANGS),
        "date": st.sampled_from([*DATES, "some day"]),
        "Pages": st.sampled_from(["7", "12.5", "many"]),
        "tags": st.sampled_from(["red", "red, green", "blue"]),
    },
)
DOCUMENTS = st.lists(
    st.tuples(
        st.sampled_from(["docs/", "docs/api/", ""]),
        st.sampled_from(["md", "txt"]),
        METADATA,
        st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), max_size=3),
    ),
    min_size=1,
    max_size=7,
)
FIELDS = st.sampled_from(["lang", "date", "pages", "tags"])
LEAVES = (
    st.builds(Compare, FIELDS, st.just(Op.EQUAL), st.sampled_from(["de", "en", "2024", "red", "7"]))
    | st.builds(
        Compare, FIELDS, st.sampled_from(list(Op)[1:]), st.sampled_from(["2024", "2024-01-01", "8"])
    )
    | st.builds(OneOf, FIELDS, st.lists(st.sampled_from(LANGS), min_size=1).map(tuple))
    | st.builds(Glob, FIELDS, st.sampled_from(["*", "r*", "2024-*", "??"]))
    | st.builds(
        Glob,
        st.sampled_from(["path", "id"]),
        st.sampled_from(["docs/**", "*.md", "docs/*", "[0-3].*"]),
    )
    | st.builds(Compare, st.just("format"), st.just(Op.EQUAL), st.sampled_from(["md", "txt"]))
)


def _above(parts: st.SearchStrategy[Where]) -> st.SearchStrategy[Where]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, parts) | st.builds(And, several) | st.builds(Or, several)


TREES: st.SearchStrategy[Where] = st.recursive(LEAVES, _above, max_leaves=5)

ENCODER = WordHashEncoder()


def entry(name: str, format_: str, metadata: dict[str, str], chunks: list[list[str]]) -> Entry:
    texts = [" ".join(words) for words in chunks]
    text = "\n".join(texts)
    document = Document(name, name, f"About {name}", text, format_, metadata)
    digest, made, start = document_digest(document), [], 0
    for one in texts:
        span = (start, start + len(one))
        made.append(Chunk(chunk_id(digest, *span), name, document.title, format_, *span, one, ()))
        start += len(one) + 1
    keys = [hashlib.sha256(f"{name}{n}".encode()).hexdigest() for n in range(len(made))]
    return Entry(document, digest, tuple(made), tuple(keys))


def entries_of(drawn: list[tuple[str, str, dict[str, str], list[list[str]]]]) -> list[Entry]:
    return [
        entry(f"{folder}{number}.{format_}", format_, metadata, chunks)
        for number, (folder, format_, metadata, chunks) in enumerate(drawn)
    ]


def row(one: Entry) -> LedgerRow:
    document = one.document
    return LedgerRow(
        document.source,
        1,
        document.source,
        Status.INDEXED,
        format=document.format,
        documents=1,
        chunks=len(one.chunks),
        digest=source_digest([one.digest]),
    )


def publish(store: Store, *runs: list[Entry], removed: list[Entry] = []) -> Snapshot:  # noqa: B006
    """One run after another, and at last one that removes."""
    rows: dict[str, LedgerRow] = {}
    for added, gone in [*((run, []) for run in runs), *([([], removed)] if removed else [])]:
        parent = Parent(store.path, current) if (current := store.current_id()) else None
        with Build(store, parent, ENCODER.fingerprint, {"words": ANALYSIS}) as build:
            for one in gone:
                build.remove(one.document.id)
                del rows[one.document.id]
            for one in added:
                texts = [chunk.text for chunk in one.chunks]
                build.add(one, ENCODER.encode_chunks(texts))
                rows[one.document.id] = row(one)
            build.publish(list(rows.values()), "")
    return store.open()


def query(text: str, mode: Mode, where: Where | None, k: int = 100) -> Query:
    return Query(text, ENCODER.encode_query(text), k, mode, where=where)


def ranking(hits: tuple[Hit, ...]) -> list[tuple[int, int, float]]:
    return [(hit.rank, hit.chunk.id, hit.score) for hit in hits]


def naive(where: Where, one: Entry) -> bool:
    """The same decision, one document at a time and without columns."""
    if isinstance(where, Not):
        return not naive(where.part, one)
    if isinstance(where, And | Or):
        return (all if isinstance(where, And) else any)(naive(p, one) for p in where.parts)
    document = one.document
    fact = Facts(
        0, document.id, document.source, document.title, document.format, document.metadata
    )
    return bool(Columns([fact]).decide(where)[0])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=DOCUMENTS,
    tree=TREES,
    asked=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join),
    k=st.integers(1, 5),
    data=st.data(),
)
def test_what_is_found_is_allowed_and_as_good_as_in_an_index_of_it_alone(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[tuple[str, str, dict[str, str], list[list[str]]]],
    tree: Where,
    asked: str,
    k: int,
    data: st.DataObject,
) -> None:
    everything = entries_of(drawn)
    gone = data.draw(st.lists(st.sampled_from(everything), max_size=2, unique_by=id))
    cut = data.draw(st.integers(1, len(everything)))
    here = [one for one in everything if one not in gone]
    allowed = [one for one in here if naive(tree, one)]
    ids = {one.document.id for one in allowed}
    base = tmp_path_factory.mktemp("where")
    runs = [run for run in (everything[:cut], everything[cut:]) if run]
    whole = publish(Store(base / "whole"), *runs, removed=gone)
    alone = publish(Store(base / "alone"), allowed)

    decided = whole.allowed(tree)

    assert decided.ids() == ids
    assert (decided.documents, decided.chunks) == (
        len(allowed),
        sum(len(one.chunks) for one in allowed),
    )
    for mode in Mode:
        for depth in (k, 100):
            found = whole.search(query(asked, mode, tree, depth))
            assert {hit.chunk.document_id for hit in found} <= ids
        other = alone.search(query(asked, mode, None))
        assert {hit.chunk.id for hit in found} == {hit.chunk.id for hit in other}
    dense = whole.search(query(asked, Mode.DENSE, tree, k))
    assert ranking(dense) == ranking(alone.search(query(asked, Mode.DENSE, None, k)))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """So many documents that both ways of searching words for some of them are taken."""
    documents = [
        entry(
            f"{number % 20:02}/{number}.md",
            "md",
            {"number": str(number), "share": f"1 in {20 if number % 20 == 0 else 2}"},
            [[WORDS[number % 8], WORDS[number % 7]], [WORDS[number % 3]]],
        )
        for number in range(400)
    ]
    return publish(Store(tmp_path_factory.mktemp("large") / "store"), documents)


@pytest.mark.parametrize("text", ["apples", "bees cedars", "hills"])
@pytest.mark.parametrize(
    "where",
    ["path ~ 00/**", "number < 200", "number >= 3", "not path ~ 01/**", "number in (8, 16, 399)"],
)
@pytest.mark.parametrize("k", [1, 7, 100, 800])
def test_the_best_of_the_allowed_are_found_however_many_are_allowed(
    large: Snapshot, text: str, where: str, k: int
) -> None:
    tree = parse(where).where
    ids = large.allowed(tree).ids()
    assert 0 < len(ids) < 400

    found = large.search(query(text, Mode.WORDS, tree, k))

    everything = large.search(query(text, Mode.WORDS, None, 800))
    best = [hit.chunk.id for hit in everything if hit.chunk.document_id in ids]
    assert [hit.chunk.id for hit in found] == best[:k]


def test_the_allowed_are_found_where_many_others_match_better(tmp_path: Path) -> None:
    better = [("", "md", {"lang": "de"}, [["apples"] * 3]) for _ in range(100)]
    worse = [("", "md", {"lang": "fr"}, [["apples", *WORDS[1:]]]) for _ in range(200)]
    snapshot = publish(Store(tmp_path / "store"), entries_of([*better, *worse]))
    tree = parse("lang = fr").where

    found = snapshot.search(query("apples", Mode.WORDS, tree, 10))

    assert len(found) == 10
    assert {hit.chunk.document_id for hit in found} <= snapshot.allowed(tree).ids()


def test_a_filter_that_allows_nothing_finds_nothing(large: Snapshot) -> None:
    for mode in Mode:
        assert large.search(query("apples", mode, parse("number > 1000").where)) == ()


def test_a_decision_is_remembered_and_the_oldest_is_forgotten(
    large: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided: list[Where] = []
    decide = Columns.decide

    def counting(self: Columns, where: Where) -> np.ndarray:
        decided.append(where)
        return decide(self, where)

    monkeypatch.setattr(Columns, "decide", counting)
    monkeypatch.setattr(filtering, "REMEMBERED", 3)
    trees = [parse(f"number = {number}").where for number in range(500, 504)]
    for tree in [*trees, trees[1], trees[3], parse("number = 501").where]:
        large.allowed(tree)
    assert decided == trees

    for tree in (trees[0], trees[1], trees[3]):
        large.allowed(tree)

    assert decided == [*trees, trees[0]], "what was asked longest ago is forgotten first"


def test_a_large_corpus_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = [("", "md", {"lang": LANGS[n % 3]}, [["apples"], [WORDS[n % 8]]]) for n in range(11)]
    snapshot = publish(Store(tmp_path / "store"), entries_of(drawn))
    monkeypatch.setattr(texts, "_PIECE", 3)

    allowed = snapshot.allowed(parse("lang = en").where)

    assert (allowed.documents, allowed.chunks) == (3, 6)
    assert allowed.ids() == {"2.md", "5.md", "8.md"}


def test_many_threads_may_ask_a_new_snapshot_at_once(tmp_path: Path) -> None:
    drawn = [("", "md", {"lang": LANGS[n % 3]}, [[WORDS[n % 8]]]) for n in range(30)]
    snapshot = publish(Store(tmp_path / "store"), entries_of(drawn))
    found: list[int] = []

    def ask(number: int) -> None:
        tree = parse(f"lang = {LANGS[number % 3]}").where
        found.append(len(snapshot.search(query("apples", Mode.HYBRID, tree))))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [10] * 12


# --- what a comparison means ----------------------------------------------------------------


def decides(where: str, **metadata: str) -> bool:
    facts = Facts(0, "docs/A.md#1", "docs/A.md", "Plans: the Draft", "md", metadata)
    return bool(Columns([facts]).decide(parse(where).where)[0])


@pytest.mark.parametrize(
    ("where", "value", "expected"),
    [
        ("x = de", "DE", True),
        ("x = STRASSE", "straße", True),
        ('x = "cafe\u0301"', "Café", True),
        ("x = 1.1", "1.10", False),
        ("x >= 1.1", "1.10", True),
        ("x <= 1.1", "1.10", True),
        ("x < 10", "9", True),
        ("x < 10", "-1e3", True),
        ("x < 10", "nine", False),
        ("x >= 10", "nan", False),
        ("x > 9007199254740992", "9007199254740993", True),
        ("x = 2024", "2024-05-01", True),
        ("x = 2024-05", "2024-05-31T23:59:59Z", True),
        ("x = 2024-05", "2024-06-01T00:30:00+02:00", True),
        ("x = 2024-05-01", "2024-05", False),
        ("x != 2024", "2024-05-01", False),
        ("x >= 2024", "2024-01-01", True),
        ("x > 2024", "2024-12-31", False),
        ("x > 2024", "2025", True),
        ("x <= 2024-03", "2024-03-31 23:00", True),
        ("x < 2024-03-05", "2024-03-05", False),
        ("x < 2024-03-05T10:00", "2024-03-05T09:59:59.999", True),
        ("x >= 2024-03-05T10:00:00+02:00", "2024-03-05T08:00:00Z", True),
        ("x > 2024-01-01", "1 May 2024", False),
        ("x > 2024-01-01", "2024-13-01", False),
        ("x <= 9999-12-31", "2024-05-01", True),
        ("x >= 9999-12", "9999-12-31", True),
        ("x > 2024", "9999-12-31T23:59:59.999999-12:00", False),
        ("x = red", "red, green", True),
        ('x = "red, green"', "red, green", True),
        ("x < 5", "1,000", False),
        ("x < 5", "1, 000", True),
        ("x = 2", "1, 2", True),
        ("x = b", "a,b", True),
        ("x = b", ", b ,", True),
        ("x in (blue, GREEN)", "red, green", True),
        ("x in (blue)", "red, green", False),
        ("x not in (blue)", "red, green", True),
        ("x ~ re*", "Red", True),
        ("x ~ red", "redder", False),
        ("x ~ */b", "a/a/b", True),
        ("x !~ re*", "green", True),
        ("x ~ '[!r]*'", "red", False),
        ("x ~ *", "anything", True),
    ],
)
def test_a_value_is_compared_as_what_it_is_written_as(
    where: str, value: str, expected: bool
) -> None:
    assert decides(where, x=value) is expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("path = docs/A.md", True),
        ("path = docs/a.md", False),
        ("id = 'docs/A.md#1'", True),
        ("path ~ docs/*", True),
        ("path ~ *.md", True),
        ("path ~ *.MD", False),
        ("path in (docs/A.md, b)", True),
        ("format = MD", True),
        ("title ~ 'plans*DRAFT'", True),
        ("title = 'Plans'", False),
        ("title < 5", False),
        ("lang = de", False),
        ("lang != de", True),
        ("not lang ~ *", True),
        ("title = other", False),
        ("metadata.title = other", True),
        ("METADATA.Name = x", True),
        ("name = x", True),
        ("NAME = x and not name = y", True),
        ("name = y or (name = x and format = md)", True),
        ("name = y or name = x and format = txt", False),
        ("not (name = y or name = x)", False),
    ],
)
def test_fields_are_those_that_every_document_has_and_its_own(where: str, expected: bool) -> None:
    assert decides(where, title="other", Name="x") is expected


def test_only_the_beginning_of_a_very_long_value_is_compared() -> None:
    assert decides("x ~ a*", x="a" * 1_000_000)
    assert not decides("x ~ *b", x="a" * 1_000_000 + "b")


def test_the_name_of_a_field_has_one_form() -> None:
    assert canonical("Metadata.Lang") == canonical("LANG") == "lang"
    assert canonical("CAFE\u0301") == canonical("café")
    assert canonical("metadata.Title") == "metadata.title" != canonical("title")
