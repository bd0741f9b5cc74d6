"""Questions by the compiled model: near the original, kept with care, and never in the way."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from corpus.embedding import model_folder
from corpus.encoders import cache
from corpus.encoders.cache import cache_folder, compiled, key
from corpus.encoders.graph import Graph
from corpus.encoders.questions import QUESTIONS, QuestionEncoder
from corpus.encoders.record import GRAPH
from corpus.encoders.transformer import SentenceTransformerEncoder
from corpus.errors import CompilationFailed
from corpus.settings import EmbeddingSettings

SETTINGS = EmbeddingSettings()
TEXTS = [
    "How many days of annual leave do I get?",
    "how does ZRANGEBYLEX compare members with the same score",
    "Où la guerre a-t-elle commencé ?",
    "printer " * 200,
]


@pytest.fixture(scope="module")
def original() -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder(SETTINGS, threads=1)


@pytest.fixture(scope="module")
def encoder() -> QuestionEncoder:
    return QuestionEncoder(SETTINGS)


@pytest.fixture
def kept(encoder: QuestionEncoder) -> Path:
    """The folder of the compiled model, which is there."""
    encoder.encode_query("anything")
    return cache_folder() / key(QUESTIONS, encoder.fingerprint)


def test_questions_lie_where_the_original_places_them(
    encoder: QuestionEncoder, original: SentenceTransformerEncoder
) -> None:
    cosines = [encoder.encode_query(text) @ original.encode_query(text) for text in TEXTS]

    *sentences, one_word_over_and_over = cosines
    assert min(sentences) > 0.998
    assert one_word_over_and_over > 0.97
    assert encoder.fingerprint.id == original.fingerprint.id


def test_vectors_are_unit_and_do_not_hang_on_what_is_embedded_beside_them(
    encoder: QuestionEncoder,
) -> None:
    together = encoder.encode_documents(TEXTS)

    with ThreadPoolExecutor(8) as pool:
        alone = list(pool.map(encoder.encode_query, TEXTS * 8))

    assert together.dtype == np.float32
    np.testing.assert_array_equal(together, np.array(alone[: len(TEXTS)]))
    np.testing.assert_array_equal(np.tile(together, (8, 1)), np.array(alone))
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_a_question_is_cut_at_the_limit_and_a_chunk_never(encoder: QuestionEncoder) -> None:
    long = "word " * 400

    assert len(encoder.tokens.ids(long)) == encoder.tokens.limit
    assert encoder.tokens.ids(long)[-1] == encoder.tokens.ids("word")[-1]  # the closing token
    np.testing.assert_array_equal(
        encoder.encode_query(long), encoder.encode_query("word " * (encoder.tokens.limit - 2))
    )
    with pytest.raises(ValueError, match="the model takes 256"):
        encoder.encode_documents([long])


def test_it_answers_without_torch(kept: Path) -> None:
    program = (
        "import sys\n"
        "from corpus.encoders.questions import QuestionEncoder\n"
        "from corpus.settings import EmbeddingSettings\n"
        "QuestionEncoder(EmbeddingSettings()).encode_query('x')\n"
        "print({'torch', 'transformers', 'onnx'} & set(sys.modules))"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert (ran.stdout, ran.stderr) == ("set()\n", "")


@pytest.mark.parametrize("damage", ["flip", "cut", "record", "gone"])
def test_a_damaged_graph_is_never_loaded_and_made_anew(
    kept: Path, damage: str, monkeypatch: pytest.MonkeyPatch, encoder: QuestionEncoder
) -> None:
    good = {file.name: file.read_bytes() for file in kept.iterdir()}
    graph, record = kept / GRAPH, kept / "record.json"
    if damage == "flip":
        data = bytearray(good[GRAPH])
        data[len(data) // 2] ^= 1
        graph.write_bytes(data)
    elif damage == "cut":
        graph.write_bytes(good[GRAPH][:-1])
    elif damage == "record":
        record.write_bytes(b'{"form": "int8"}')
    else:
        graph.unlink()
    made = compile_with(monkeypatch, good)

    compiled(QUESTIONS, model_folder(SETTINGS.model), encoder.fingerprint)

    assert made == [1]
    assert {file.name: file.read_bytes() for file in kept.iterdir()} == good


def test_processes_that_come_at_once_compile_once(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: QuestionEncoder
) -> None:
    made = compile_with(monkeypatch, {file.name: file.read_bytes() for file in kept.iterdir()})
    left = tmp_path / "tmp-killed"
    left.mkdir()

    def load(_: int) -> Graph:
        return compiled(QUESTIONS, model_folder(SETTINGS.model), encoder.fingerprint, tmp_path)

    with ThreadPoolExecutor(4) as pool:
        graphs = list(pool.map(load, range(4)))

    assert (len(graphs), made) == (4, [1])
    assert not left.exists(), "what a killed process left is cleared away"


def test_where_it_cannot_be_compiled_the_original_answers_and_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    original: SentenceTransformerEncoder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fails(*_: object) -> None:
        raise CompilationFailed("no such operator")

    monkeypatch.setattr(cache, "_compile", fails)

    vector = QuestionEncoder(SETTINGS).encode_query(TEXTS[0])

    np.testing.assert_allclose(vector, original.encode_query(TEXTS[0]), atol=1e-6)
    assert "embedded with torch, which is slower: no such operator" in caplog.text


def test_a_cache_that_cannot_be_written_is_no_reason_not_to_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    assert QuestionEncoder(SETTINGS).encode_query(TEXTS[0]).shape == (384,)
    assert "Not a directory" in caplog.text
    assert "XDG_CACHE_HOME" in caplog.text


def test_the_settings_can_ask_for_the_original(
    original: SentenceTransformerEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    plain = QuestionEncoder(EmbeddingSettings(compiled=False))

    assert plain.fingerprint.id == original.fingerprint.id, "the store stays the same"
    np.testing.assert_allclose(
        plain.encode_query(TEXTS[0]), original.encode_query(TEXTS[0]), atol=1e-6
    )
    assert "slower" not in caplog.text


def test_a_failure_of_the_compiler_is_told_in_one_line(
    tmp_path: Path, encoder: QuestionEncoder
) -> None:
    with pytest.raises(
        CompilationFailed, match=r"code 1: ModelUnavailable: the model in .* cannot"
    ):
        compiled(QUESTIONS, tmp_path, replace(encoder.fingerprint, files={}), tmp_path / "cache")

    assert not list((tmp_path / "cache").glob("tmp-*"))


def compile_with(monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> list[int]:
    """Have these files made by compiling; what is returned counts how often."""
    made: list[int] = []

    def copy(_purpose: str, _model: Path, _limit: int, into: Path) -> None:
        made.append(1)
        for name, data in files.items():
            (into / name).write_bytes(data)

    monkeypatch.setattr(cache, "_compile", copy)
    return made
