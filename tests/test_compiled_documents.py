"""Documents by the compiled model: near the original, whatever stands beside them, and a step
down where int8 cannot be.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.embedding import ChunkEncoder, model_folder, pools_by_mean
from corpus.encoders import bulk, cache, processor
from corpus.encoders.batching import batches
from corpus.encoders.bulk import BulkGraph
from corpus.encoders.compiled_documents import DOCUMENTS
from corpus.encoders.compiling import compile_model
from corpus.encoders.documents import DocumentEncoder
from corpus.encoders.products import DescribedProducts
from corpus.encoders.quantising import quantise
from corpus.encoders.record import GRAPH, RECORD, read_record
from corpus.encoders.transformer import SentenceTransformerEncoder
from corpus.errors import CompilationFailed
from corpus.settings import EmbeddingSettings
from corpus.windows import MOST
from ingest.pipeline import Options
from tests.conftest import Workbench

SETTINGS = EmbeddingSettings()
TEXTS = [
    "a",
    "Every employee gets 27 days of annual leave, and carries over at most five of them.",
    "La guerre a commencé en 1870 et s'est terminée un an plus tard. " * 4,
    "| command | complexity |\n|---|---|\n| ZRANGEBYLEX | O(log(N)+M) |\n" * 5,
    "该公司于何时成立？这是一个问题。" * 6,
    "The town lies on a river and has a market on every second Saturday. " * 14,
    "word " * 254,
]


@pytest.fixture(scope="module")
def original() -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder(SETTINGS)


@pytest.fixture(scope="module")
def encoder() -> DocumentEncoder:
    return DocumentEncoder(SETTINGS)


def test_chunks_and_their_windows_lie_where_the_original_places_them(
    encoder: DocumentEncoder, original: SentenceTransformerEncoder
) -> None:
    least = [0.98] * len(TEXTS[:-1]) + [0.94]  # one word 254 times is unlike any text
    pairs = zip(encoder.encode_chunks(TEXTS), original.encode_chunks(TEXTS), least, strict=True)
    for ours, its, bound in pairs:
        assert (ours.shape, ours.dtype) == (its.shape, np.float32)
        assert np.sum(ours * its, axis=1).min() > bound
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)

    assert len(encoder.encode_chunks(TEXTS)[-1]) == 1 + MOST
    assert encoder.fingerprint.id == original.fingerprint.id


def test_vectors_do_not_hang_on_what_is_embedded_beside_them(encoder: DocumentEncoder) -> None:
    together = encoder.encode_chunks(TEXTS * 40)

    with ThreadPoolExecutor(4) as pool:
        alone = list(pool.map(lambda text: encoder.encode_chunks([text])[0], TEXTS * 4))

    for place, vectors in enumerate(together):
        np.testing.assert_array_equal(vectors, alone[place % len(TEXTS)])
    whole = np.array([vectors[0] for vectors in alone])
    np.testing.assert_array_equal(encoder.encode_documents(TEXTS * 4), whole)


def test_a_core_is_used_when_there_is_a_batch_for_it_and_changes_no_vector(
    encoder: DocumentEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "cores", lambda: 2)
    made: list[int] = []
    noted = lambda load, *given: lambda: made.append(1) or load(*given)  # noqa: E731
    monkeypatch.setattr(bulk, "partial", noted)
    both = DocumentEncoder(SETTINGS)

    few = both.encode_chunks(TEXTS[:2])
    assert len(made) == 1
    many = both.encode_chunks(TEXTS * 20)
    assert len(made) == 2

    monkeypatch.setattr(bulk, "cores", lambda: 1)
    one = DocumentEncoder(SETTINGS).encode_chunks(TEXTS)
    for place, vectors in enumerate(many):
        np.testing.assert_array_equal(vectors, one[place % len(TEXTS)])
    np.testing.assert_array_equal(few[1], one[1])


def test_nothing_is_embedded_of_no_texts(encoder: DocumentEncoder) -> None:
    assert encoder.encode_chunks([]) == []
    assert encoder.encode_documents([]).shape == (0, 384)


def test_a_question_is_cut_at_the_limit_and_a_chunk_never(encoder: DocumentEncoder) -> None:
    np.testing.assert_array_equal(
        encoder.encode_query("word " * 400), encoder.encode_documents(["word " * 254])[0]
    )
    with pytest.raises(ValueError, match="402 tokens, the model takes 256"):
        encoder.encode_chunks(["fits", "word " * 400])


def test_a_prefix_is_embedded_with_each_document(encoder: DocumentEncoder) -> None:
    prefixed = DocumentEncoder(EmbeddingSettings(document_prefix="passage: "))

    [ours], [expected] = (
        prefixed.encode_chunks(["Leave."]),
        encoder.encode_chunks(["passage: Leave."]),
    )

    np.testing.assert_array_equal(ours, expected)


def test_it_embeds_without_torch_and_loads_nothing_before(encoder: DocumentEncoder) -> None:
    encoder.encode_documents(["compiled by now"])
    program = (
        "import sys\n"
        "from corpus.encoders.documents import DocumentEncoder\n"
        "from corpus.settings import EmbeddingSettings\n"
        "encoder = DocumentEncoder(EmbeddingSettings())\n"
        "heavy = {'torch', 'transformers', 'onnx', 'onnxruntime', 'openvino'}\n"
        "print(heavy & set(sys.modules))\n"
        "encoder.encode_chunks(['x'])\n"
        "print(heavy & set(sys.modules))"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert (ran.stdout, ran.stderr) == ("set()\n{'openvino'}\n", "")


FIRST_USE = """
import faulthandler, sys
from corpus.encoders.documents import DocumentEncoder
from corpus.settings import EmbeddingSettings

faulthandler.dump_traceback_later(60, exit=True)
encoder = DocumentEncoder(EmbeddingSettings())
encoder._encoder
sys.setswitchinterval(1e-6)
print(len(encoder.encode_chunks(["The town lies on a river. " * 30] * 64)))
"""


def test_a_graph_is_gone_with_its_last_reader(encoder: DocumentEncoder) -> None:
    encoder.encode_chunks(TEXTS)
    home = cache.cache_folder() / cache.key(DOCUMENTS, encoder.fingerprint)
    graph = BulkGraph((home / GRAPH).read_bytes(), read_record(home / RECORD).form)
    graph.embed([[101, 2023, 102]] * 40, limit=256)
    gone = weakref.ref(graph)

    gc.disable()  # which would find it in a circle, some time
    try:
        del graph
        assert gone() is None
    finally:
        gc.enable()


def test_threads_that_use_it_first_do_not_wait_for_each_other(encoder: DocumentEncoder) -> None:
    encoder.encode_documents(["compiled by now"])
    for _ in range(4):  # without a use before it is shared, every second one hangs
        ran = subprocess.run(
            [sys.executable, "-c", FIRST_USE], capture_output=True, text=True, check=False
        )
        assert (ran.returncode, ran.stdout) == (0, "64\n"), ran.stderr


def test_nothing_is_reported_to_anybody(
    encoder: DocumentEncoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    encoder.encode_documents(["compiled by now"])
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CI", "TF_BUILD", "JENKINS_URL", "GITHUB_ACTIONS"):  # where it reports nothing
        monkeypatch.delenv(name, raising=False)
    program = (
        "import socket, sys\n"
        "def refuse(*_): sys.exit('an address was looked up')\n"
        "socket.getaddrinfo = refuse\n"
        "from corpus.encoders.documents import DocumentEncoder\n"
        "from corpus.settings import EmbeddingSettings\n"
        "DocumentEncoder(EmbeddingSettings()).encode_chunks(['x'])\n"
        "print({'openvino_telemetry', 'openvino.tools.ovc'} & sys.modules.keys())"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )

    assert (ran.stdout, ran.stderr) == ("set()\n", "")
    assert not (tmp_path / "intel").exists()


def test_a_store_is_the_same_whichever_form_made_it_and_takes_vectors_of_both(
    bench: Workbench, encoder: DocumentEncoder, original: SentenceTransformerEncoder, tmp_path: Path
) -> None:
    other = Workbench(_made(tmp_path / "other"))
    for one in (bench, other):
        one.write("leave.md", "# Leave\n\nEvery employee gets 27 days of annual leave.")
    first, same = _ingested(bench, original), _ingested(other, encoder)
    bench.write("travel.txt", "Book flights through the travel desk.")

    mixed = _ingested(bench, encoder)

    assert first == (same[0], 1)
    assert mixed[1] == 1, "the vectors that torch made are used again"
    snapshot = bench.store.open()
    assert snapshot.id == mixed[0]


def test_where_it_cannot_be_compiled_the_original_embeds_and_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    original: SentenceTransformerEncoder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(*_: object) -> None:
        raise CompilationFailed("no such operator")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cache, "_compile", fails)

    [vectors] = DocumentEncoder(SETTINGS).encode_chunks(TEXTS[1:2])

    np.testing.assert_allclose(vectors, original.encode_chunks(TEXTS[1:2])[0], atol=1e-6)
    assert "embedded with torch, which is slower: no such operator" in caplog.text


def test_the_settings_can_ask_for_the_original(original: SentenceTransformerEncoder) -> None:
    plain = DocumentEncoder(EmbeddingSettings(compiled=False))

    np.testing.assert_allclose(
        plain.encode_documents(TEXTS), original.encode_documents(TEXTS), atol=1e-6
    )


@pytest.mark.filterwarnings("ignore")  # of the tracer
@pytest.mark.parametrize(
    ("flags", "form"),
    [({"avx512_vnni"}, "int8"), (set(), "bfloat16 or float32")],
)
def test_a_processor_without_int8_products_computes_the_next_form(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: set[str], form: str
) -> None:
    monkeypatch.setattr(processor, "_flags", lambda: frozenset(flags))

    tried = compile_model(
        "documents", tiny_encoder(tmp_path / "model"), 64, _made(tmp_path / "out")
    )

    record = read_record(tmp_path / "out" / "record.json")
    assert record.form in form
    if not flags:
        assert tried[0] == "int8: the processor has no instructions for it"


@pytest.mark.filterwarnings("ignore")  # of the tracer
def test_a_model_that_takes_the_first_token_has_no_windows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = EmbeddingSettings(model=str(tiny_encoder(tmp_path / "model", pooling="cls")))
    monkeypatch.setattr(cache, "_compile", _compile_here)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ours, its = DocumentEncoder(settings), SentenceTransformerEncoder(settings)

    vectors = ours.encode_chunks(TEXTS[:2])

    assert not ours.makes_windows
    assert [one.shape for one in vectors] == [(1, 32), (1, 32)]
    cosines = np.sum(ours.encode_documents(TEXTS[:2]) * its.encode_documents(TEXTS[:2]), axis=1)
    assert cosines.min() > 0.98


@given(st.lists(st.integers(min_value=2, max_value=250), max_size=80))
def test_every_text_is_in_one_batch_that_has_room_for_it(lengths: list[int]) -> None:
    made = list(batches(lengths, limit=250))

    assert sorted(place for batch in made for place in batch.places) == list(range(len(lengths)))
    for batch in made:
        longest = max(lengths[place] for place in batch.places)
        assert longest <= batch.tokens <= min(250, longest + 15)
        assert len(batch.places) * batch.tokens <= 1024


def test_a_text_longer_than_a_batch_is_a_batch_of_its_own() -> None:
    assert [batch.places for batch in batches([3000, 8000, 10], limit=8192)] == [(1,), (0,), (2,)]


def test_int8_products_are_near_those_of_floats_though_a_channel_sticks_out(tmp_path: Path) -> None:
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    random = np.random.default_rng(0)
    seen = random.normal(size=(200, 64)).astype(np.float32)
    seen[:, 7] *= 300
    weights = random.normal(size=(64, 32)).astype(np.float32)
    weights[7] /= 300
    node = onnx.helper.make_node("MatMul", ["x", "W"], ["y"], name="product")
    floats = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [node],
        "one product",
        [onnx.helper.make_tensor_value_info("x", floats, ["n", 64])],
        [onnx.helper.make_tensor_value_info("y", floats, ["n", 32])],
        [onnx.numpy_helper.from_array(weights, "W")],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "in")

    made = quantise(tmp_path / "in", [{"x": seen[:100]}], tmp_path / "out", DescribedProducts)

    session = onnxruntime.InferenceSession(made, providers=["CPUExecutionProvider"])
    [computed] = session.run(None, {"x": seen[100:]})
    expected = seen[100:] @ weights
    assert np.linalg.norm(computed - expected) < 0.05 * np.linalg.norm(expected)
    matrices = [one for one in onnx.load(str(made)).graph.initializer if len(one.dims) == 2]
    assert [one.data_type for one in matrices] == [onnx.TensorProto.INT8]


def tiny_encoder(folder: Path, pooling: str = "mean") -> Path:
    """A BERT with random weights and the packaged tokenizer, as sentence-transformers keeps one."""
    import torch
    from sentence_transformers import SentenceTransformer, models
    from transformers import BertConfig, BertModel

    packaged = model_folder(SETTINGS.model)
    config = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder / "bert")
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        if (packaged / file).exists():
            (folder / "bert" / file).write_bytes((packaged / file).read_bytes())
    words = models.Transformer(str(folder / "bert"), max_seq_length=64)
    SentenceTransformer(modules=[words, models.Pooling(32)]).save(str(folder))
    how = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}  # as published ones
    said = {"word_embedding_dimension": 32} | {key: name == pooling for name, key in how.items()}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(said))
    assert pools_by_mean(folder) == (pooling == "mean")
    return folder


def _compile_here(purpose: str, model: Path, limit: int, into: Path) -> None:
    """As the program does, without the seconds that a process takes to begin."""
    compile_model(purpose, model, limit, into)


def _ingested(bench: Workbench, encoder: ChunkEncoder) -> tuple[str, int]:
    """The id of the snapshot, and how many chunks were embedded for it."""
    bench.encoder = encoder  # type: ignore[assignment]  # a real one in place of the bench's
    report = bench.runner.ingest([bench.folder], Options())
    assert report.snapshot is not None
    return report.snapshot, report.embedded_chunks


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
