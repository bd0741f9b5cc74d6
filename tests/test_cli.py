"""The command line as a user meets it: what is printed where, and with which exit code."""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

from corpus import errors
from corpus.errors import RagError
from corpus.settings import Settings
from rag.cli import COMMANDS, EXIT_CODES, cli, exit_code, main
from rag.commands.opening import Opened
from rag.console import printable, table
from tests.conftest import WordHashEncoder, Workbench
from tests.serving import service_of

ROOT = Path(__file__).parent.parent
REPORT = {
    *("snapshot", "documents", "chunks", "added", "changed", "renamed", "removed", "unchanged"),
    *("failed", "empty", "skipped", "embedded_chunks", "reused_chunks", "seconds"),
}


@dataclass
class Ran:
    """What a call of the command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        value = json.loads(self.out)
        assert isinstance(value, dict)
        assert self.out.count("\n") == 1, "one object and nothing else"
        return value


Rag = Callable[..., Ran]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Rag]:
    """Runs ``rag`` in this process."""
    before = signal.getsignal(signal.SIGTERM)

    def call(*arguments: str | Path) -> Ran:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["rag", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int | None)
        return Ran(code or 0, said.out, said.err)

    yield call
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def rag(bench: Workbench, call: Rag, monkeypatch: pytest.MonkeyPatch) -> Rag:
    """The same over the bench's store, with an encoder and an engine that need no model."""

    def encoder(*_: object, **__: object) -> WordHashEncoder:
        return bench.encoder

    def open_corpus(settings: Settings, *, embeds: bool = True) -> object:
        return Opened(*service_of(settings, bench.folder.parent / "notes"), None)

    opening = ModuleType("rag.commands.opening")
    opening.open_corpus = open_corpus  # type: ignore[attr-defined]  # what the commands import
    monkeypatch.setitem(sys.modules, "rag.commands.opening", opening)
    monkeypatch.setattr("rag.commands.running.DocumentEncoder", encoder)
    monkeypatch.setenv("RAG_STORE", os.fspath(bench.store.path))
    monkeypatch.setenv("RAG_ANSWER__ENGINE", "quoting")
    return call


@pytest.fixture
def corpus(bench: Workbench) -> Workbench:
    bench.write("leave.md", "# Leave\n\nEvery employee gets 27 days of annual leave.")
    bench.write("deep/travel.txt", "Travel\n\nBook flights through the travel desk.")
    bench.write("picture.png", "x")
    bench.ingest()
    return bench


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and sub-command by the words that call it."""
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from leaves(found, (*path, name))


# --- help -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", list(leaves(cli)), ids=" ".join)
def test_every_command_has_help_with_an_example(path: tuple[str, ...], rag: Rag) -> None:
    ran = rag(*path, "--help")
    group = rag(path[0], "--help")

    assert (ran.code, ran.err) == (0, "")
    example = f"rag {' '.join(path)}"
    assert example in ran.out.split("Options:")[0].partition("\n")[2] or example in group.out
    for option in ("--store", "--json", "-q", "-v"):
        assert option in ran.out


def test_the_list_of_commands_says_what_their_help_says(rag: Rag) -> None:
    listed = rag("--help").out
    for name, told in COMMANDS.items():
        assert name in listed
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        lead = inspect.cleandoc(command.help or "").split("\n\n")[0]
        missing = set(re.findall(r"\w+", told)) - set(re.findall(r"\w+", lead))
        assert not missing, f"{name}: {told!r} and {lead!r}"


def test_every_command_of_the_house_is_listed() -> None:
    modules = {path.stem for path in (ROOT / "rag" / "commands").glob("*.py")}
    with_command = {
        name
        for name in modules
        if "def command(" in (ROOT / "rag" / "commands" / f"{name}.py").read_text()
    }
    assert with_command == set(COMMANDS)


def test_help_comes_at_once() -> None:
    began = time.monotonic()
    for arguments in (["--help"], ["ingest", "--help"], ["--version"]):
        subprocess.run(
            [sys.executable, "-m", "rag", *arguments], cwd=ROOT, check=True, capture_output=True
        )
    assert time.monotonic() - began < 3 * 1.5


# --- exit codes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no-such-command"],
        ["ingest"],
        ["search", "x", "--mode", "odd"],
        ["search", "x", "-k", "0"],
        ["ask", "x", "-k", "0"],
        ["ask", "  "],
        ["search", ""],
        ["ask", "x", "--engine", "no-such-engine"],
        ["ask", "x", "--server", "ftp://x"],
        ["documents", "--status", "odd"],
        ["ingest", ".", "--max-delete", "many"],
        ["ingest", ".", "--max-delete", "101%"],
        ["refresh", "--every", "15m", "--cron", "* * * * *"],
        ["refresh", "--every", "often"],
        ["refresh", "--cron", "often"],
        ["refresh", "--cron", "0 * * * *", "--timezone", "Nowhere"],
        ["refresh", "--every", "15m", "--dry-run"],
        ["status", "--no-such-option"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_and_says_why_on_standard_error(
    corpus: Workbench, rag: Rag, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def must_not_start(*_: object, **__: object) -> None:
        raise AssertionError("it started")

    monkeypatch.setattr("ingest.schedule.keep", must_not_start)
    ran = rag(*arguments)

    assert ran.code == 2
    assert ran.err
    assert ran.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask", "x"],
        ["search", "x"],
        ["documents"],
        ["show", "a.md"],
        ["refresh"],
        ["snapshots", "rollback"],
        ["snapshots", "rollback", "0123456789"],
        ["ask", "x", "--server", "http://127.0.0.1:9"],
        ["ingest", "no-such-folder"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_1_with_what_to_do_and_nothing_on_standard_output(
    rag: Rag, arguments: list[str], bench: Workbench
) -> None:
    ran = rag(*arguments, "--json")

    assert ran.code == 1
    assert ran.err.strip().startswith("rag: ")
    assert "Traceback" not in ran.err
    assert ran.out == ""
    assert not bench.store.path.exists(), "nothing was made"


def test_a_store_that_is_empty_is_no_error_to_ask_about(rag: Rag, bench: Workbench) -> None:
    for arguments in (
        ["status"],
        ["roots", "list"],
        ["snapshots", "list"],
        ["snapshots", "verify"],
    ):
        ran = rag(*arguments)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.strip()
    assert not bench.store.path.exists()


def test_failed_files_are_3_and_named(rag: Rag, bench: Workbench) -> None:
    bench.write("good.md", "text")
    (bench.folder / "bad.txt").write_bytes(b"\x00\x01\x02" * 99)

    ran = rag("ingest", bench.folder, "--json")

    assert ran.code == 3
    assert ran.json["failed"][0]["path"] == "bad.txt"
    assert "bad.txt" in rag("ingest", bench.folder).out


def test_the_guard_and_the_lock_are_4(rag: Rag, bench: Workbench) -> None:
    for count in range(20):
        bench.write(f"{count}.md", f"text {count}")
    assert rag("ingest", bench.folder).code == 0
    for count in range(15):
        (bench.folder / f"{count}.md").unlink()
    guarded = rag("refresh")
    assert guarded.code == 4
    advised = re.search(r"--max-delete \d+%", guarded.err)
    assert advised is not None
    with bench.store.writing():
        busy = rag("refresh")
    assert (busy.code, "another process" in busy.err) == (4, True)

    assert rag("refresh", *advised.group().split()).code == 0


@pytest.mark.parametrize("stage", ["ingest.runner.Runner.ingest", "ingest.pipeline.walk"])
def test_an_interruption_is_130(
    rag: Rag, bench: Workbench, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    bench.write("a.md", "text")
    monkeypatch.setattr(stage, interrupt)
    ran = rag("ingest", bench.folder)

    assert (ran.code, ran.err.strip()) == (130, "rag: interrupted")


def test_every_error_of_the_tree_has_an_exit_code() -> None:
    kinds = [one for one in vars(errors).values() if isinstance(one, type)]
    for kind in kinds:
        if issubclass(kind, RagError):
            error = kind.__new__(kind)
            assert exit_code(error) in (1, 2, 4, 5)
    assert set(EXIT_CODES.values()) == {1, 2, 4, 5}


# --- ingest and refresh --------------------------------------------------------------------------


def test_ingest_prints_the_report_as_one_object(rag: Rag, bench: Workbench) -> None:
    bench.write("a.md", "# A\n\ntext")
    bench.write(".hidden.md", "x")
    bench.write("empty.txt", "")

    ran = rag("ingest", bench.folder, "--json")

    assert ran.code == 0
    assert ran.json.keys() >= REPORT
    told = {name: ran.json[name] for name in ("documents", "added", "empty", "skipped", "failed")}
    assert told == {"documents": 1, "added": 1, "empty": 1, "skipped": 1, "failed": []}
    assert ran.json["snapshot"] == bench.store.current_id()
    again = rag("ingest", bench.folder, "--json", "-q")
    assert (again.json["unchanged"], again.json["embedded_chunks"], again.err) == (1, 0, "")


def test_ingest_tells_a_person_what_was_taken_in_and_what_was_not_and_why(
    rag: Rag, bench: Workbench
) -> None:
    bench.write("a.md", "text")
    bench.write("b.png", "x")

    ran = rag("ingest", bench.folder)

    assert "1 added" in ran.out
    assert "b.png: no reader for .png files" in ran.out


def test_a_mistyped_folder_makes_no_store(rag: Rag, bench: Workbench) -> None:
    ran = rag("ingest", bench.folder / "typo")

    assert ran.code == 1
    assert "typo is not there" in ran.err
    assert not bench.store.path.exists()


def test_a_dry_run_prints_the_plan_and_does_nothing(rag: Rag, bench: Workbench) -> None:
    bench.write("a.md", "text")

    ran = rag("ingest", bench.folder, "--dry-run", "--json")

    assert (ran.code, ran.json["added"], ran.json["dry_run"]) == (0, 1, True)
    assert not bench.store.path.exists()


def test_patterns_pruning_and_limits_reach_the_run(rag: Rag, bench: Workbench) -> None:
    for name in ("a.md", "b.md", "drafts/c.md"):
        bench.write(name, name)
    first = rag("ingest", bench.folder, "--exclude", "drafts/", "--include", "*.md", "--json")
    assert first.json["documents"] == 2
    (bench.folder / "a.md").unlink()

    kept = rag("ingest", bench.folder, "--exclude", "drafts/", "--no-prune", "--json")
    assert (kept.json["documents"], kept.json["removed"]) == (2, 0)
    assert rag("refresh", "--json").json["removed"] == 1


@pytest.mark.parametrize("again", [False, True])
def test_the_report_file_lists_every_file_seen(rag: Rag, bench: Workbench, again: bool) -> None:
    names = {"a.md": "text", "ü\n.md": "text", "b.png": "x", ".h.md": "x", "empty.txt": ""}
    for name, text in names.items():
        bench.write(name, text)
    (bench.folder / "bad.txt").write_bytes(b"\x00" * 99)
    if again:
        rag("ingest", bench.folder)
    path = bench.folder.parent / "report.jsonl"

    ran = rag("ingest", bench.folder, "--report", path)

    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert ran.code == 3
    assert {row["path"] for row in rows} == {*names, "bad.txt"}
    assert {row["status"] for row in rows} == {
        *("unchanged" if again else "indexed", "skipped", "empty", "failed")
    }
    assert all(row["reason"] for row in rows if row["status"] in ("failed", "skipped"))


def test_a_report_that_cannot_be_written_is_told_without_a_traceback(
    rag: Rag, bench: Workbench
) -> None:
    bench.write("a.md", "text")

    ran = rag("ingest", bench.folder, "--report", bench.folder / "no" / "such" / "r.jsonl")

    assert ran.code in (1, 2)
    assert "r.jsonl" in ran.err


def test_a_schedule_over_a_store_without_roots_is_told_or_waits(
    rag: Rag, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, announce: Callable[[Any], None], **__: object) -> None:
        from datetime import UTC, datetime

        announce(datetime.now(UTC))
        raise KeyboardInterrupt

    monkeypatch.setattr("ingest.schedule.keep", stop)
    ran = rag("refresh", "--every", "15m")

    assert ran.code in (1, 130)
    assert ran.err.strip().startswith("rag: ")


def test_a_scheduled_refresh_announces_itself_and_ends_in_order(corpus: Workbench) -> None:
    arguments = [sys.executable, "-m", "rag", "refresh", "--cron", "0 0 1 1 *"]
    environ = {**os.environ, "RAG_STORE": os.fspath(corpus.store.path)}
    with subprocess.Popen(
        arguments, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 20
        while not (corpus.store.path / "NEXT").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        told = json.loads((corpus.store.path / "NEXT").read_text())
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)

    assert (told["process"], told["schedule"]) == (process.pid, "0 0 1 1 *")
    assert (process.returncode, said.strip()) == (130, "rag: interrupted")


# --- asking --------------------------------------------------------------------------------------


def test_search_prints_the_body_of_the_service(corpus: Workbench, rag: Rag) -> None:
    found = rag("search", "annual leave", "--json", "-k", "1").json

    assert found.keys() >= {"snapshot", "hits"}
    (hit,) = found["hits"]
    assert hit.keys() >= {
        *("rank", "score", "document", "heading", "page", "start", "end", "text", "scores"),
    }
    assert hit["document"] == {"id": "leave.md", "title": "Leave"}
    assert hit["scores"].keys() == {"dense", "words", "fused"}
    text = corpus.store.open().document("leave.md").text
    assert hit["text"] == text[hit["start"] : hit["end"]]
    words = rag("search", "annual", "--mode", "words", "--json").json["hits"]
    assert [one["scores"]["dense"] for one in words] == [None]


def test_ask_prints_the_body_of_the_service(corpus: Workbench, rag: Rag) -> None:
    asked = ("ask", "How many days of annual leave does every employee get?")
    answer = rag(*asked, "--json").json

    assert answer.keys() >= {
        *("id", "status", "answer", "citations", "engine", "model", "degraded", "finish_reason"),
        *("closest", "snapshot", "usage", "timings_ms"),
    }
    assert answer["status"] == "answered"
    (citation,) = answer["citations"]
    assert citation.keys() >= {
        *("marker", "document", "start", "end", "quote", "heading", "page", "score", "verdict"),
        *("answer_start", "answer_end"),
    }
    text = corpus.store.open().document("leave.md").text
    assert citation["quote"] == text[citation["start"] : citation["end"]]
    streamed = rag(*asked)
    whole = rag(*asked, "--no-stream")
    assert streamed.out.split() == whole.out.split()
    assert answer["answer"] in whole.out
    assert f"[1] leave.md:{citation['start']}-{citation['end']}" in whole.out


def test_an_abstention_is_a_success_and_names_the_closest(corpus: Workbench, rag: Rag) -> None:
    ran = rag("ask", "Who painted zymurgy?")

    assert ran.code == 0
    assert "The documents do not say." in ran.out
    assert "Closest in the documents:" in ran.out


# --- looking -------------------------------------------------------------------------------------


def test_status_tells_what_is_there_and_how_runs_ended(corpus: Workbench, rag: Rag) -> None:
    state = rag("status", "--json").json

    assert state["snapshot"] == corpus.store.current_id()
    assert state["counts"]["documents"] == 2
    assert [root["path"] for root in state["roots"]] == [str(corpus.folder)]
    assert [run["outcome"] for run in state["runs"]] == ["done"]
    assert (state["running"], state["next_run"]) == (False, None)
    told = rag("status").out
    assert str(corpus.folder) in told
    assert "2 documents" in told


def test_documents_is_the_ledger_and_can_be_narrowed(corpus: Workbench, rag: Rag) -> None:
    everything = rag("documents", "--json").json
    assert everything["total"] == len(everything["documents"]) == 3
    skipped = rag("documents", "--status", "skipped", "--json").json["documents"]
    assert [row["path"] for row in skipped] == ["picture.png"]
    assert "no reader" in rag("documents", "--status", "skipped").out
    assert rag("documents", "--status", "failed").out == "no such source\n"


def test_show_prints_the_text_that_citations_are_spans_of(corpus: Workbench, rag: Rag) -> None:
    text = (corpus.folder / "leave.md").read_text()

    assert rag("show", "leave.md").out == text + "\n"
    shown = rag("show", "leave.md", "--chunks", "--json").json
    assert shown["text"] == text
    for chunk in shown["chunks"]:
        assert chunk["text"] == text[chunk["start"] : chunk["end"]]
    assert rag("show", "no.md").code == 1


def test_roots_are_listed_and_removed(corpus: Workbench, rag: Rag) -> None:
    assert [one["path"] for one in rag("roots", "list", "--json").json["roots"]] == [
        str(corpus.folder)
    ]
    assert rag("roots", "remove", "/nowhere").code == 1
    assert rag("roots", "remove", corpus.folder, "--json").json["documents"] == 0
    assert rag("roots", "list", "--json").json == {"roots": []}


def test_snapshots_are_listed_verified_and_gone_back_to(corpus: Workbench, rag: Rag) -> None:
    first = corpus.store.require_current()
    corpus.write("new.md", "new")
    corpus.ingest()
    second = corpus.store.require_current()
    assert [one["id"] for one in rag("snapshots", "list", "--json").json["snapshots"]] == [
        second,
        first,
    ]
    assert rag("snapshots", "verify", "--json").json["damage"] == {first: "", second: ""}
    assert rag("snapshots", "rollback", "--json").json == {"snapshot": first}
    assert corpus.store.current_id() == first
    assert rag("snapshots", "rollback").code == 2, "there is none before the first"
    assert rag("snapshots", "rollback", second).code == 0
    (corpus.store.path / f"snapshots/{first}/words/meta.json").write_bytes(b"")
    verified = rag("snapshots", "verify", "--json")
    assert verified.code == 1
    assert verified.json["damage"][second] == ""
    assert "damaged" in verified.json["damage"][first]
    assert rag("snapshots", "rollback", first).code == 1
    assert corpus.store.current_id() == second


# --- nothing a terminal would act on -------------------------------------------------------------

EVIL = "\x1b]0;pwned\x07\x1b[2J\r\u202egpj.md"


@pytest.mark.parametrize(
    "arguments",
    [["ingest"], ["documents"], ["search", "parsnips about"], ["ask", "about parsnips growing"]],
    ids=" ".join,
)
def test_names_and_texts_from_outside_are_shown_harmless(
    rag: Rag, bench: Workbench, arguments: list[str]
) -> None:
    (bench.folder / EVIL).write_text(f"# Title {EVIL}\n\nAll about parsnips growing {EVIL} here.")
    (bench.folder / f"bad{EVIL[:-3]}.txt").write_bytes(b"\x00" * 99)
    first = rag("ingest", bench.folder)

    ran = first if arguments == ["ingest"] else rag(*arguments)

    assert ran.code in (0, 3)
    for said in (ran.out, ran.err):
        assert not set(said) & set("\x1b\x07\r\u202e"), ascii(said)


def test_a_folder_whose_name_is_no_utf8_can_be_taken_in_and_asked_about(
    rag: Rag, bench: Workbench
) -> None:
    folder = Path(os.fsdecode(os.fsencode(bench.folder) + b"/caf\xe9"))
    folder.mkdir()
    (folder / "a.md").write_text("text")

    assert rag("ingest", folder, "--json").json["documents"] == 1
    for arguments in (["roots", "list"], ["status"], ["documents"]):
        assert rag(*arguments).code == 0
        assert rag(*arguments, "--json").json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ümlaut 文 😀", "plain ümlaut 文 😀"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202e\u2066", "\\u202e\\u2066"),
        ("\udcff", "\\udcff"),
        ('it\'s "so"', 'it\'s "so"'),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_tables_are_aligned_and_may_be_of_any_width() -> None:
    assert table([("a", "bbb", "c"), ("aaa", "b", "")]) == "a    bbb  c\naaa  b"


# --- as a process ---------------------------------------------------------------------------------


def process(*arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rag", *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_whoever_reads_the_output_may_stop_reading(corpus: Workbench) -> None:
    for count in range(3000):
        corpus.write(f"many/{count:05}.png", "x")
    corpus.ingest()
    program = f"{sys.executable} -m rag documents --store {corpus.store.path} | head -1"
    ran = subprocess.run(
        f"set -o pipefail; {program}",
        shell=True,
        executable="/bin/bash",
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (0, "")


def test_settings_come_from_the_flag_then_the_environment_then_the_file(tmp_path: Path) -> None:
    (tmp_path / "rag.toml").write_text(f"store = '{tmp_path}/from-file'")
    environ = {"RAG_CONFIG": os.fspath(tmp_path / "rag.toml")}
    stores = [
        process("status", "--json", env=environ),
        process("status", "--json", env={**environ, "RAG_STORE": f"{tmp_path}/from-env"}),
        process(
            *("status", "--json", "--store", f"{tmp_path}/from-flag"),
            env={**environ, "RAG_STORE": f"{tmp_path}/from-env"},
        ),
    ]

    assert [Path(json.loads(ran.stdout)["store"]).name for ran in stores] == [
        *("from-file", "from-env", "from-flag"),
    ]
    wrong = process("status", env={"RAG_STROE": "x"})
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "RAG_STORE" in wrong.stderr


def test_the_command_with_its_own_model_from_ingest_to_search(tmp_path: Path) -> None:
    """The only test here that loads the packaged model."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "leave.md").write_text("# Leave\n\nStaff get 27 days of holiday a year.")
    program = (
        "import contextlib, sys\n"
        "from rag.cli import cli\n"
        "for line in sys.argv[1:]:\n"
        "    with contextlib.suppress(SystemExit):\n"
        "        cli.main(line.split('|'), standalone_mode=False)\n"
    )
    ran = subprocess.run(
        [
            *(sys.executable, "-c", program),
            f"ingest|{tmp_path}/docs|--store|{tmp_path}/store|--json",
            f"search|annual vacation of employees|--store|{tmp_path}/store|--json",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    ingested, found = map(json.loads, ran.stdout.splitlines())
    assert ingested["embedded_chunks"] == 1
    assert found["hits"][0]["document"]["id"] == "leave.md"
