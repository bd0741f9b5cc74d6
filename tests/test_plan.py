"""The plan: content decides, every source has one outcome, and a mass deletion is refused."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import GuardRefused, UnreadableSource
from corpus.roots import Root
from corpus.types import LedgerRow, Status
from ingest.plan import Plan, compare, guard
from ingest.sources import Listing, Source, Stamp

ROOT = Root(1, "/docs")


def source(path: str, content: str, root: int = 1) -> Source:
    """``location`` stands for the bytes; ``!`` cannot be read."""
    return Source(root, path, content, "md", Stamp(len(content), 0, 0, 0))


def row(path: str, content: str, status: Status = Status.INDEXED, root: int = 1) -> LedgerRow:
    documents = 1 if status is Status.INDEXED else 0
    return LedgerRow(path, root, path, status, "", content, len(content), documents=documents)


def sha256(one: Source) -> str:
    if one.location == "!":
        raise UnreadableSource("cannot be opened")
    return one.location


def planned(
    sources: list[Source], ledger: list[LedgerRow], *left_out: LedgerRow, prune: bool = True
) -> Plan:
    return compare([Listing(ROOT, tuple(sources), left_out)], ledger, sha256, prune=prune)


def told(plan: Plan) -> dict[str, list[str]]:
    return {
        "added": [one.path for one in plan.added],
        "changed": [one.path for one in plan.changed],
        "renamed": [f"{old.path} -> {new.path}" for old, new in plan.renamed],
        "removed": [one.path for one in plan.removed],
        "unchanged": [one.path for one in plan.unchanged],
        "stale": [one.path for one in plan.stale],
        "left_out": [one.path for one in plan.left_out],
        "elsewhere": [one.path for one in plan.elsewhere],
    }


def only(**expected: list[str]) -> dict[str, list[str]]:
    return {**told(Plan()), **expected}


FAILED, SKIPPED, EMPTY = Status.FAILED, Status.SKIPPED, Status.EMPTY


@pytest.mark.parametrize(
    ("sources", "ledger", "left_out", "expected"),
    [
        ([source("a", "x")], [], [], only(added=["a"])),
        ([source("a", "x")], [row("a", "x")], [], only(unchanged=["a"])),
        ([source("a", "y")], [row("a", "x")], [], only(changed=["a"])),
        ([source("b", "x")], [row("a", "x")], [], only(renamed=["a -> b"])),
        ([source("b", "y")], [row("a", "x")], [], only(added=["b"], removed=["a"])),
        ([], [row("a", "x")], [], only(removed=["a"])),
        ([], [row("a", "x", EMPTY)], [], only()),
        ([source("a", "x")], [row("a", "", SKIPPED)], [], only(added=["a"])),
        ([source("a", "x")], [row("a", "x", EMPTY)], [], only(unchanged=["a"])),
        ([source("a", "x")], [row("a", "x", FAILED)], [], only(unchanged=["a"])),
        ([source("a", "x")], [row("a", "", FAILED)], [], only(changed=["a"])),
        ([source("a", "!")], [row("a", "x")], [], only(changed=["a"])),
        ([], [row("a", "x")], [row("a", "", FAILED)], only(stale=["a"])),
        ([], [row("a", "x")], [row("a", "", SKIPPED)], only(removed=["a"], left_out=["a"])),
        ([], [], [row("a", "", FAILED)], only(left_out=["a"])),
        (
            [source("c", "z")],
            [row("b/x", "x"), row("b/y", "y"), row("bb", "v"), row("c", "z")],
            [row("b/", "", FAILED)],
            only(unchanged=["c"], stale=["b/x", "b/y"], left_out=["b/"], removed=["bb"]),
        ),
        ([], [row("a", "x", root=2)], [], only(elsewhere=["a"])),
        (
            [source("a", "y"), source("b", "x")],
            [row("a", "x"), row("b", "y")],
            [],
            only(changed=["a", "b"]),
        ),
        (
            [source("b", "!")],
            [row("a", "x")],
            [],
            only(added=["b"], removed=["a"]),
        ),
    ],
)
def test_the_outcomes(
    sources: list[Source],
    ledger: list[LedgerRow],
    left_out: list[LedgerRow],
    expected: dict[str, list[str]],
) -> None:
    assert told(planned(sources, ledger, *left_out)) == expected


def test_a_stale_source_that_can_be_read_again_is_read() -> None:
    from dataclasses import replace

    stale = replace(row("a", "x"), stale=True)

    assert told(planned([source("a", "x")], [stale])) == only(changed=["a"])


def test_without_pruning_what_is_gone_stays() -> None:
    plan = planned([source("b", "y")], [row("a", "x")], prune=False)

    assert told(plan) == only(added=["b"], unchanged=["a"])


def test_what_is_to_be_read_anew_is_changed_though_its_bytes_are_not() -> None:
    plan = compare(
        [Listing(ROOT, (source("a", "x"), source("b", "y")), ())],
        [row("a", "x"), row("b", "y")],
        sha256,
        anew=lambda one: one.path == "b",
    )

    assert told(plan) == only(unchanged=["a"], changed=["b"])


def test_equal_files_that_move_together_are_all_renamed() -> None:
    """A folder of twelve equal notices that gets a new name is no mass deletion."""
    before = [row(f"old/{n:02}", "same words") for n in range(12)]
    after = [source(f"new/{n:02}", "same words") for n in range(12)]

    plan = planned(after, before)

    assert (len(plan.renamed), plan.added, plan.removed) == (12, [], [])


PATHS = st.sampled_from(["a", "b", "c", "d/e", "d/f"])
CONTENTS = st.sampled_from(["x", "y", "zz", "!"])
KINDS = st.sampled_from([Status.INDEXED, Status.EMPTY, Status.FAILED, Status.SKIPPED])


@given(
    st.dictionaries(PATHS, CONTENTS),
    st.dictionaries(PATHS, st.sampled_from([FAILED, SKIPPED])),
    st.dictionaries(PATHS, st.tuples(CONTENTS.filter("!".__ne__), KINDS)),
    st.booleans(),
)
def test_every_source_ends_in_exactly_one_list(
    files: dict[str, str],
    refused: dict[str, Status],
    known: dict[str, tuple[str, Status]],
    prune: bool,
) -> None:
    refused = {path: status for path, status in refused.items() if path not in files}
    ledger = [
        row(path, "" if kind is SKIPPED else content, kind)
        for path, (content, kind) in known.items()
    ]

    plan = planned(
        [source(path, content) for path, content in files.items()],
        ledger,
        *(row(path, "", status) for path, status in refused.items()),
        prune=prune,
    )

    lists = told(plan)
    lists["renamed"] = [new.path for _, new in plan.renamed]
    seen = Counter(path for name in lists if name != "removed" for path in lists[name])
    kept = {path for path in known if path not in files and not prune} & set(lists["unchanged"])
    assert {path: seen[path] for path in files} == dict.fromkeys(files, 1)
    for path in refused:
        assert seen[path] - (path in kept) == 1
    assert not set(lists["removed"]) & files.keys()
    held = {path for path, (_, kind) in known.items() if kind is Status.INDEXED}
    leaving = set(lists["removed"]) | {old.path for old, _ in plan.renamed}
    assert leaving <= held, "only what was there can go"
    staying = held - leaving
    assert staying <= set(seen), "what does not go is on a list"
    for old, new in plan.renamed:
        assert old.sha256 == new.location
        assert old.path not in files
        assert new.path not in held
    if not prune:
        assert not leaving


@pytest.mark.parametrize(
    ("going", "documents", "percent", "refused"),
    [
        (10, 10, 10, False),  # ten may always go
        (10, 11, 0, False),
        (11, 110, 10, False),  # not more than the share
        (11, 109, 10, True),
        (11, 1000, 10, False),
        (11, 1000, 0, True),
        (11, 11, 100, False),
        (0, 0, 10, False),
        (600, 1000, 59.9, True),
        (600, 1000, 60, False),
    ],
)
def test_the_guard_at_its_edges(going: int, documents: int, percent: float, refused: bool) -> None:
    if refused:
        with pytest.raises(GuardRefused, match=f"{going} of {documents} documents"):
            guard(going, documents, percent)
    else:
        guard(going, documents, percent)


@given(st.integers(11, 400), st.integers(0, 4000), st.integers(0, 99))
def test_what_the_guard_says_to_run_is_enough(going: int, staying: int, percent: int) -> None:
    try:
        guard(going, going + staying, percent)
    except GuardRefused as error:
        advised = re.search(r"--max-delete ([\d.]+)%", str(error))
        assert advised is not None
        guard(going, going + staying, float(advised.group(1)))
