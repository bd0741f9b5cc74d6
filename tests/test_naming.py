"""Ids: short where they can be, shared by no two, and the same whatever ran before."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from corpus.roots import Root
from ingest.naming import Place, record_prefixes, source_ids

NAMES = st.sampled_from(["wiki", "docs", "a"])
PATHS = st.lists(st.sampled_from(["wiki", "docs", "wiki-2", "a.md", "b.md"]), min_size=1).map(
    "/".join
)


def roots(*names: str) -> list[Root]:
    return [Root(key, f"/srv/{key}/{name}") for key, name in enumerate(names, start=1)]


def test_a_source_is_named_by_its_path_below_its_root() -> None:
    places = [(1, "a.md"), (2, "b.md")]

    assert source_ids(roots("x", "y"), places) == {(1, "a.md"): "a.md", (2, "b.md"): "b.md"}


def test_a_path_that_two_roots_hold_takes_the_name_of_the_later_root() -> None:
    ids = source_ids(roots("x", "y", "y"), [(3, "a.md"), (2, "a.md"), (1, "a.md")])

    assert ids == {(1, "a.md"): "a.md", (2, "a.md"): "y/a.md", (3, "a.md"): "y-3/a.md"}


def test_an_id_that_is_in_use_elsewhere_is_not_given_again() -> None:
    assert source_ids(roots("x", "y"), [(2, "a.md")], taken=["a.md"]) == {(2, "a.md"): "y/a.md"}


@given(
    st.lists(NAMES, min_size=1, max_size=3),
    st.sets(st.tuples(st.integers(1, 3), PATHS), max_size=12),
    st.sets(PATHS, max_size=4),
)
@example(
    ["docs", "wiki"],
    {(1, "a.md"), (1, "wiki/a.md"), (1, "wiki-2/a.md"), (2, "a.md")},
    set(),
)
def test_every_place_has_an_id_of_its_own(
    names: list[str], places: set[Place], taken: set[str]
) -> None:
    places = {place for place in places if place[0] <= len(names)}

    ids = source_ids(roots(*names), places, taken)

    assert ids.keys() == places
    assert len(set(ids.values())) == len(ids)
    assert not taken & set(ids.values())
    assert all(name.endswith(path) for (_, path), name in ids.items())


@given(st.lists(st.tuples(st.integers(1, 2), PATHS), unique=True).flatmap(st.permutations))
def test_ids_do_not_hang_on_the_order_of_the_files(places: list[Place]) -> None:
    known = roots("docs", "notes")
    assert source_ids(known, places) == source_ids(known, sorted(places))


def test_records_are_named_in_the_folder_of_their_file() -> None:
    assert record_prefixes(["corpus.jsonl"]) == {"corpus.jsonl": ""}
    assert record_prefixes(["x/corpus.jsonl", "y/z/c.jsonl"]) == {
        "x/corpus.jsonl": "x/",
        "y/z/c.jsonl": "y/z/",
    }
    assert record_prefixes(["a.jsonl", "b.jsonl"]) == {"a.jsonl": "a.jsonl/", "b.jsonl": "b.jsonl/"}


FILES = st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([".jsonl", ".ndjson"]).map("/".join(parts).__add__)
)


@given(st.sets(FILES, max_size=6))
@example({"a.jsonl", "a.ndjson"})
@example({"a.jsonl", "b.jsonl", "a/c.jsonl"})
def test_no_two_files_put_their_records_under_the_same_prefix(sources: set[str]) -> None:
    prefixes = record_prefixes(sources)

    assert prefixes.keys() == sources
    assert len(set(prefixes.values())) == len(prefixes)
