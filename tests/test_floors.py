"""The house stands: who may import whom, where each heavy library lives, what is never used.

Every module below ``corpus``, ``ingest`` and ``rag`` is looked at; a new one needs no entry here.
"""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STOREYS = {"corpus": {"corpus"}, "ingest": {"ingest", "corpus"}, "rag": {"rag", "corpus"}}
COMPOSITION_ROOT = "rag.commands."
HOMES = {
    "faiss": ("corpus.vectors", "corpus.codes", "corpus.faissio"),
    "tantivy": ("corpus.words",),
    "Stemmer": ("corpus.stemming",),
    "sentence_transformers": ("corpus.encoders.transformer",),
    "torch": ("corpus.encoders.transformer", "corpus.encoders.exporting"),
    "transformers": ("corpus.encoders.transformer",),
    "tokenizers": ("corpus.embedding", "corpus.pieces", "rag.prompt.tokens"),
    "jinja2": ("rag.prompt.template",),
    "onnx": (
        "corpus.encoders.compiling",
        "corpus.encoders.masking",
        "corpus.encoders.normalising",
        "corpus.encoders.products",
        "corpus.encoders.quantising",
        "corpus.encoders.rebuilding",
        "corpus.encoders.tables",
        "corpus.encoders.widening",
    ),
    "onnxruntime": (
        "corpus.encoders.graph",
        "corpus.encoders.compiling",
        "corpus.encoders.quantising",
    ),
    "openvino": ("corpus.encoders.bulk",),
    "bs4": ("ingest.readers.html",),
    "flask": ("rag.api",),
    "werkzeug": ("rag.api",),
    "gunicorn": ("rag.server",),
    "ir_measures": ("rag.evaluation.retrieval",),
    "msgspec": (
        "corpus.ledger",
        "corpus.settings",
        "corpus.encoders.record",
        "rag.job_progress",
    ),
    "vllm": (),
}
HEAVY = {*HOMES, "numpy", "pydantic", "sqlite3", "rich", "croniter"}


def test_packages_import_only_their_own_storey_and_the_ground_floor() -> None:
    for module, tree in modules().items():
        for name in imported(module, tree):
            storey = name.partition(".")[0]
            allowed = set(STOREYS[module.partition(".")[0]])
            if module.startswith(COMPOSITION_ROOT):
                allowed.add("ingest")
            assert storey not in STOREYS or storey in allowed, f"{module} imports {name}"


def test_there_is_no_import_cycle() -> None:
    graph = {
        module: {name for name in imported(module, tree, at_load=True) if name != module}
        for module, tree in modules().items()
    }
    known = {module: names & graph.keys() for module, names in graph.items()}
    graphlib.TopologicalSorter(known).prepare()  # raises CycleError, which names the cycle


def test_every_heavy_library_has_one_home() -> None:
    for module, tree in modules().items():
        for name in imported(module, tree):
            homes = HOMES.get(name.partition(".")[0])
            at_home = homes is None or any(
                module == home or module.startswith(f"{home}.") for home in homes
            )
            assert at_home, f"{module} imports {name}, whose home is {homes}"


def test_the_command_line_answers_for_help_without_loading_anything_heavy() -> None:
    program = (
        "import sys, rag.cli, click\n"
        "for name in rag.cli.COMMANDS:\n"
        "    command = rag.cli.cli.get_command(click.Context(rag.cli.cli), name)\n"
        "    command.get_help(click.Context(command, info_name=name))\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(loaded.stdout.split())


@pytest.mark.parametrize("module", ["corpus.embedding", "rag.answerer", "ingest.runner"])
def test_no_room_loads_the_model_or_the_web_by_being_imported(module: str) -> None:
    program = f"import sys, {module}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not {"torch", "transformers", "sentence_transformers", "flask"} & set(
        loaded.stdout.split()
    )


def test_nothing_unpickles_evaluates_or_calls_a_shell_and_no_byte_is_ignored() -> None:
    for module, tree in modules().items():
        banned = {"pickle", "joblib", "marshal", "shelve", "dill"} & {
            name.partition(".")[0] for name in imported(module, tree)
        }
        assert not banned, f"{module} imports {banned}"
        for node in ast.walk(tree):
            where = f"{module}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else ""
                assert name not in ("eval", "exec", "compile", "__import__"), where
                attribute = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                assert attribute not in ("system", "popen"), where
                for keyword in node.keywords:
                    value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                    assert not (keyword.arg == "shell" and value is not False), where
                    assert not (keyword.arg == "errors" and value == "ignore"), where
                    assert not (keyword.arg == "trust_remote_code" and value is not False), where
                    assert not (keyword.arg == "allow_pickle" and value is not False), where
                if attribute in ("decode", "encode") or name in ("str", "bytes", "open"):
                    given = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
                    assert "ignore" not in given, where


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the three packages by its dotted name."""
    paths = (path for package in STOREYS for path in sorted((ROOT / package).rglob("*.py")))
    return {named(path): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def named(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(module: str, tree: ast.Module, *, at_load: bool = False) -> set[str]:
    """The modules that a module imports: all of them, or those it needs to be loaded.

    ``from a import b`` imports the module ``a.b``, if there is one, and ``a`` if there is none.
    """
    found = set()
    for node in nodes(tree, at_load=at_load):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively"
            base = node.module or ""
            deeper = {f"{base}.{alias.name}" for alias in node.names}
            found |= (deeper & modules().keys()) or {base}
    return found


def nodes(tree: ast.AST, *, at_load: bool) -> Iterator[ast.AST]:
    """Every node; with ``at_load`` those outside functions and ``if TYPE_CHECKING``."""
    for node in ast.iter_child_nodes(tree):
        lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        )
        if not (at_load and lazy):
            yield node
            yield from nodes(node, at_load=at_load)
