"""What a start loads and reads: a question no model library, a run without work next to nothing.

In processes of their own, over a store of the packaged model.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from corpus.embedding import PACKAGED_MODEL, model_folder
from corpus.hashes import SETTLED_NS

ROOT = Path(__file__).parent.parent
OF_TORCH = {"torch", "transformers", "sentence_transformers", "openvino"}
OF_SCIENCE = {"sklearn", "scipy", "pandas", "matplotlib", "ir_measures"}
OF_SEARCH = {"numpy", "faiss", "tantivy", "tokenizers", "onnxruntime"}
OF_WORK = {
    *("sqlite3", "multiprocessing", "concurrent", "subprocess", "ctypes", "shutil", "tempfile"),
    *("pydantic", "email", "yaml", "bs4", "pathspec"),
    *("ingest.intake", "ingest.chunker", "ingest.outlook", "corpus.analysis", "corpus.texts"),
}
UNASKED = {
    *("soupsieve", "charset_normalizer", "openvino.tools.ovc", "multiprocessing"),
    *("importlib.metadata", "email"),
}
"""Of libraries that a run with work needs, of workers, and of what is installed."""
WATCHED = """
import json, os, sys

said, opened = sys.argv.pop(1), set()

def note(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        opened.add(os.path.abspath(os.fsdecode(arguments[0])))

sys.addaudithook(note)
from rag.cli import main

try:
    main()
finally:
    loaded = sorted(sys.modules)
    with open(said, "w") as file:
        json.dump([loaded, sorted(opened)], file)
"""


@dataclass(frozen=True)
class Started:
    """What a process came to, loaded and opened."""

    out: str
    modules: set[str]  # and the packages that they are in
    opened: set[Path]  # files that are there


class Starts:
    """A folder, a store over it, and commands in processes of their own."""

    def __init__(self, root: Path) -> None:
        self.folder, self._root = root / "docs", root
        self.folder.mkdir()
        for number in range(3):
            text = (
                f"# Note {number}\n\nThe gate of hall {number} is opened at {number + 6} o'clock.\n"
            )
            (self.folder / f"{number}.md").write_text(text)
        time.sleep(SETTLED_NS / 1e9 + 0.1)  # until a run may trust what the files look like

    def __call__(self, *arguments: str | Path) -> Started:
        said = self._root / "said.json"
        command = [sys.executable, "-c", WATCHED, said, *arguments, "--store", self._root / "store"]
        environ = {name: value for name, value in os.environ.items() if name[:4] != "RAG_"}
        ran = subprocess.run(
            list(map(str, command)),
            cwd=ROOT,
            env=environ,
            check=False,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stderr
        modules, opened = json.loads(said.read_text())
        there = {path for path in map(Path, opened) if path.is_file()}
        packages = {name.partition(".")[0] for name in modules}
        return Started(ran.stdout, packages | set(modules), there)


@pytest.fixture(scope="module")
def rag(tmp_path_factory: pytest.TempPathFactory) -> Starts:
    """After a first question, which compiles the model where that was not done."""
    starts = Starts(tmp_path_factory.mktemp("start"))
    starts("ingest", starts.folder)
    starts("ask", "When is the gate of hall 1 opened?")
    return starts


def test_a_question_loads_no_library_that_trains_models_or_plots(rag: Starts) -> None:
    asked = rag("ask", "When is the gate of hall 1 opened?")

    assert "7 o'clock" in asked.out
    assert not (OF_TORCH | OF_SCIENCE) & asked.modules


def test_a_search_loads_nothing_that_checks_requests(rag: Starts) -> None:
    searched = rag("search", "When is the gate of hall 1 opened?")

    assert "7 o'clock" in searched.out
    assert "pydantic" not in searched.modules


def test_a_question_reads_no_weights_that_it_does_not_compute_with(rag: Starts) -> None:
    asked = rag("ask", "When is the gate of hall 2 opened?")

    assert model_folder(PACKAGED_MODEL) / "model.safetensors" not in asked.opened


@pytest.mark.parametrize("command", ["refresh", "ingest"])
def test_a_run_without_work_loads_no_model_and_reads_no_document(rag: Starts, command: str) -> None:
    ran = rag(command, *([rag.folder] if command == "ingest" else []))

    assert "3 unchanged" in ran.out
    assert not (OF_TORCH | OF_SCIENCE | OF_SEARCH | OF_WORK) & ran.modules
    assert not {path for path in ran.opened if path.is_relative_to(rag.folder)}
    assert not {path for path in ran.opened if path.suffix in (".safetensors", ".onnx")}


def test_a_run_with_work_reads_what_changed_and_nothing_else(rag: Starts) -> None:
    (rag.folder / "1.md").write_text("# Note 1\n\nThe gate of hall 1 stays closed.\n")

    ran = rag("refresh")

    assert {path for path in ran.opened if path.is_relative_to(rag.folder)} == {rag.folder / "1.md"}


def test_a_run_with_work_loads_nothing_that_it_does_not_ask_for(rag: Starts) -> None:
    (rag.folder / "page.html").write_text("<main><h1>Hall 9</h1><p>It has no gate.</main>")

    ran = rag("refresh")

    assert "1 added" in ran.out
    assert {"bs4", "faiss", "openvino", "tantivy"} <= ran.modules
    assert not (UNASKED | OF_SCIENCE | (OF_TORCH - {"openvino"})) & ran.modules


def test_other_metadata_and_another_name_load_no_model(rag: Starts) -> None:
    (rag.folder / "0.md.meta.json").write_text('{"hall": "north"}')
    (rag.folder / "2.md").rename(rag.folder / "second.md")

    ran = rag("refresh")

    assert "1 changed, 1 renamed" in ran.out
    assert not OF_TORCH & ran.modules
