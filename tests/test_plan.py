"""The plan: content decides, every source has one outcome, and a mass deletion is refused."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import GuardRefused, UnreadableSource
from corpus.roots import Root
from corpus.runs import Outcome, Run
from corpus.types import LedgerRow, Status
from ingest.outlook import (
    EMBEDDED_S,
    READ_BYTES_S,
    Estimate,
    Intent,
    Moved,
    Unreadable,
    Work,
    estimate,
)
from ingest.plan import Plan, compare, guard
from ingest.report import Report, tally
from ingest.sources import Listing, Source, Stamp
from rag.commands import running

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


# --- what a dry run prints -----------------------------------------------------------------------


def preview_of(number: int) -> Report:
    bare = tally(Plan(), [])
    counts = {one.name: getattr(bare, one.name) for one in fields(bare)}
    plan = Intent(
        added=tuple(f"new/{n}.md" for n in range(number)),
        changed=("changed.md",),
        renamed=(Moved("old name.md", "new\nname.md"),),
        removed=("gone.md",),
        unchanged=("same.md",),
        unreadable=(Unreadable("locked.md", "cannot be opened: Permission denied"),),
    )
    return Report(
        snapshot="ab",
        documents=3,
        chunks=9,
        **{**counts, "added": number, "changed": 1, "renamed": 1, "removed": 1, "unchanged": 1},
        embedded_chunks=0,
        reused_chunks=0,
        seconds=0.1,
        dry_run=True,
        plan=plan,
        estimate=Estimate(754.0, 12_300_000, 17_000, "as in the last 3 runs"),
    )


def test_a_dry_run_prints_each_outcome_with_its_number_and_names_and_the_time() -> None:
    lines = running.told(preview_of(3)).splitlines()

    assert lines[0].startswith("would do: 3 added, 1 changed, 1 renamed, 1 removed, 1 unchanged")
    assert lines[1] == (
        "estimated time: 13 min for 12.3 MB to read and 17000 chunks to embed at most "
        "(as in the last 3 runs)"
    )
    assert lines[2:6] == ["added (3):", "  new/0.md", "  new/1.md", "  new/2.md"]
    rest = "\n".join(lines[6:])
    assert "renamed (1):\n  old name.md -> new\\nname.md" in rest
    assert "removed (1):\n  gone.md" in rest
    assert "unchanged (1):\n  same.md" in rest
    assert "unreadable (1):\n  locked.md: cannot be opened: Permission denied" in rest


def test_a_long_list_is_cut_on_the_screen_and_whole_in_json() -> None:
    report = preview_of(500)

    assert "  and 480 more; --json has all" in running.told(report)
    assert len(report.to_json()["plan"]["added"]) == 500
    assert report.to_json()["estimate"]["seconds"] == 754.0


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.2, "1 s"), (59.6, "60 s"), (300, "5 min"), (9000, "2.5 h")]
)
def test_the_time_is_told_in_a_unit_that_fits(seconds: float, shown: str) -> None:
    report = preview_of(1)
    assert report.estimate is not None
    report = replace(report, estimate=replace(report.estimate, seconds=seconds))
    assert f"estimated time: {shown} for" in running.told(report)


def run_that_took(seconds: float, size: int, embedded: int, embed_seconds: float) -> Run:
    return Run("ab", "", Outcome.DONE, "", "", 1, "", seconds, size, embedded, embed_seconds)


def test_the_estimate_follows_the_last_ten_runs_and_those_that_read_something() -> None:
    work = Work(read_bytes=1_000_000, chunks=2000, to_embed=1000)
    shown = run_that_took(30, 1_000_000, 1000, 20)  # 0.1 MB and 50 chunks a second
    idle, old = run_that_took(5, 0, 0, 0), run_that_took(1e9, 1, 1, 1)

    told = estimate(work, [idle, *[shown] * 10, old])

    assert told.seconds == 30
    assert told.basis == (
        "0.1 MB read in a second, as in the last 10 runs; "
        "50 chunks embedded in a second, as in the last 10 runs"
    )


def test_a_run_that_did_little_tells_how_long_starting_takes_and_not_how_fast_it_is() -> None:
    work = Work(read_bytes=4_000_000, chunks=6000, to_embed=6000)
    told = estimate(work, [run_that_took(20, 3000, 5, 15)])
    assert told.seconds == 4_000_000 / READ_BYTES_S + 6000 / EMBEDDED_S
    assert told.basis.count("assumed") == 2


def test_a_run_that_embedded_nothing_tells_nothing_of_the_model() -> None:
    work = Work(read_bytes=0, chunks=600, to_embed=600)
    told = estimate(work, [run_that_took(10, 1_000_000, 0, 0)])
    assert told.seconds == 600 / EMBEDDED_S
