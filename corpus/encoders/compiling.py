"""Compile an embedding model for processors: one graph, int8 where that keeps its meaning.

The model is traced to ONNX. For questions, which come one at a time, the operators of its layers
are fused. Weights become int8, one scale a channel (with one scale a matrix the vectors lose their
neighbours: cosine .95 to the original instead of .99, see docs/log.md), and so does what flows
between them, in ranges that are learnt beforehand. The result must place :data:`SENTENCES` where
the original does, or the next best form is taken.

A program of its own, because it needs torch, whose memory would stay. It prints why a better
form was not taken::

    python -m corpus.encoders.compiling questions|documents MODEL_FOLDER MAX_TOKENS INTO
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from corpus.embedding import ModelTokens, pools_by_mean
from corpus.encoders.bulk import FLOAT32, BulkGraph, has_bfloat16, inputs, pack
from corpus.encoders.calibration import calibration_questions, calibration_texts
from corpus.encoders.exporting import export_sums, export_vectors
from corpus.encoders.graph import Graph
from corpus.encoders.masking import mask_within
from corpus.encoders.normalising import gains_to_readers
from corpus.encoders.processor import has_int8_products
from corpus.encoders.products import DescribedProducts, IntegerProducts
from corpus.encoders.quantising import Feed, quantise
from corpus.encoders.record import GRAPH, RECORD, Record
from corpus.encoders.tables import halve, narrow
from corpus.encoders.transformer import embed_with_windows, load_model
from corpus.files import write_new
from corpus.types import ChunkVectors, Vectors

SENTENCES = (
    "How many days of annual leave do I get?",
    "The committee meets on the first Tuesday of each month.",
    "SELECT name FROM users WHERE id = 42;",
    "Water boils at 100 degrees Celsius at sea level.",
    "ZRANGEBYLEX key min max [LIMIT offset count]",
    "who wrote it",
    "Wie viele Urlaubstage habe ich im Jahr?",
    "¿Cuándo se fundó la universidad?",
    "该公司于何时成立？",
    "What does error ORA-00942 mean, and how do I get rid of it?",
    "def add(a: int, b: int) -> int:\n    return a + b",
    "The lease ends on 31 March 2027 unless either party gives notice three months before.",
    "Which band did the singer join after leaving the group that recorded the first album?",
    "A randomised trial of 1,204 patients found no difference between the two treatments.",
    "Restart the server with `systemctl restart app`, then read the log for warnings. " * 6,
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen. " * 24,
)


@dataclass(frozen=True, slots=True)
class _Model:
    """What is compiled, and where files may be left meanwhile."""

    original: Any
    tokens: ModelTokens
    has_windows: bool
    work: Path


@dataclass(frozen=True, slots=True)
class _Form:
    """A way to compile, and how near the original it must stay (cosine)."""

    name: str
    make: Callable[[_Model], Path]
    mean: float
    least: float
    can_run: Callable[[], bool] = lambda: True


@dataclass(frozen=True, slots=True)
class _Purpose:
    """What is compiled for: the forms, best first, how a graph is kept, and what computes with it.

    ``pack`` and ``embed`` are told the name of the form.
    """

    forms: Sequence[_Form]
    pack: Callable[[bytes, str], bytes]
    embed: Callable[[_Model, bytes, str], list[ChunkVectors]]


def compile_model(purpose: str, folder: Path, max_tokens: int, into: Path) -> list[str]:
    """Write the graph and its record into a folder.

    :return: which better forms were not taken, and why.
    :raises RuntimeError: when no form keeps the original's vectors, with what was tried.
    """
    original = load_model(folder, threads=None, dtype="float32", attn_implementation="eager")
    tried: list[str] = []
    with TemporaryDirectory(dir=into) as work:
        tokens = ModelTokens(folder, max_tokens)
        model = _Model(original, tokens, pools_by_mean(folder), Path(work))
        reference = _reference(model)
        for form in PURPOSES[purpose].forms:
            data = _tried(model, form, PURPOSES[purpose], reference, tried)
            if data is not None:
                _keep(form, data, into)
                return tried
    raise RuntimeError(f"no form keeps the vectors of the model ({'; '.join(tried)})")


def _tried(
    model: _Model,
    form: _Form,
    purpose: _Purpose,
    reference: Sequence[ChunkVectors],
    tried: list[str],
) -> bytes | None:
    """The graph in this form; None, and a line more in ``tried``, where it will not do."""
    if not form.can_run():
        tried.append(f"{form.name}: the processor has no instructions for it")
        return None
    try:
        data = purpose.pack(form.make(model).read_bytes(), form.name)
        cosines = _cosines(purpose.embed(model, data, form.name), reference)
    except Exception as error:  # noqa: BLE001 - of several libraries; the next may do
        tried.append(f"{form.name}: {' '.join(str(error).split())}")
        return None
    if cosines.mean() >= form.mean and cosines.min() >= form.least:
        return data
    tried.append(f"{form.name}: cosine {cosines.mean():.4f}, least {cosines.min():.4f}")
    return None


def _keep(form: _Form, data: bytes, into: Path) -> None:
    written = write_new(into / GRAPH, data)
    record = Record(form=form.name, size=written.size, sha256=written.sha256)
    write_new(into / RECORD, record.to_bytes())


def _reference(model: _Model) -> list[ChunkVectors]:
    """What the original makes of the sentences, windows included where it has any."""
    if model.has_windows:
        return embed_with_windows(model.original, list(SENTENCES), batch_size=1)
    vectors: Vectors = model.original.encode(
        list(SENTENCES), normalize_embeddings=True, show_progress_bar=False
    )
    return list(vectors[:, None])


def _cosines(computed: Sequence[ChunkVectors], reference: Sequence[ChunkVectors]) -> Vectors:
    """Of all that was computed; the reference may have more rows of a text."""
    pairs = zip(computed, reference, strict=True)
    return np.concatenate([np.sum(ours * its[: len(ours)], axis=1) for ours, its in pairs])


def _ids(model: _Model) -> list[list[int]]:
    return [model.tokens.ids(text) for text in SENTENCES]


def _as_it_is(graph: bytes, _form: str) -> bytes:
    return graph


def _questions(model: _Model, data: bytes, _form: str) -> list[ChunkVectors]:
    graph = Graph(data)
    return [graph.embed(ids)[None] for ids in _ids(model)]


def _documents(model: _Model, data: bytes, form: str) -> list[ChunkVectors]:
    return BulkGraph(data, form).embed(_ids(model), model.tokens.limit)


def _exported(model: _Model) -> Path:
    return export_vectors(model.original, model.work / "exported.onnx")


def _fused(model: _Model) -> Path:
    """Attention, normalisation and activation as one operator each; a sum that is normalised
    stays two (:mod:`corpus.encoders.graph`), and so does reading the table of words.
    """
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    path = model.work / "fused.onnx"
    if not path.exists():
        options = FusionOptions("bert")
        options.enable_skip_layer_norm = options.enable_embed_layer_norm = False
        config = model.original[0].auto_model.config
        optimised = optimize_model(
            str(_exported(model)),
            model_type="bert",
            num_heads=config.num_attention_heads,
            hidden_size=config.hidden_size,
            optimization_options=options,
        )
        optimised.save_model_to_file(str(path))
    return path


def _integers(model: _Model) -> Path:
    """Weights, the table of words and what comes in as int8, in ONNX Runtime's own operators."""
    feeds, path = _feeds(model, calibration_questions(), False), model.work / "integers.onnx"
    return narrow(quantise(_fused(model), feeds, path, IntegerProducts))


def _bulk(model: _Model) -> Path:
    """With sums over windows where the vector of a text is a mean, else the whole pipeline."""
    if model.has_windows:
        exported = export_sums(model.original, model.work / "sums.onnx")
    else:
        exported = _exported(model)
    return mask_within(exported, model.work / "masked.onnx")


def _static(model: _Model) -> Path:
    """Weights and what comes in as int8, in ranges that were learnt."""
    feeds = _feeds(model, calibration_texts(), model.has_windows)
    path = model.work / "static.onnx"
    return halve(gains_to_readers(quantise(_bulk(model), feeds, path, DescribedProducts)))


def _feeds(model: _Model, texts: Iterable[str], has_parts: bool) -> Iterator[Feed]:
    """One text at a time, so that nothing is padded."""
    for text in texts:
        ids = model.tokens.ids(text)
        yield inputs([ids], len(ids), has_parts)


PURPOSES = {
    "questions": _Purpose(
        (
            _Form("int8", _integers, mean=0.995, least=0.98),
            _Form("float32, fused", _fused, mean=0.9999, least=0.999),
            _Form(FLOAT32, _exported, mean=0.9999, least=0.999),
        ),
        _as_it_is,
        _questions,
    ),
    "documents": _Purpose(
        (
            _Form("int8", _static, mean=0.995, least=0.98, can_run=has_int8_products),
            _Form("bfloat16", _bulk, mean=0.999, least=0.99, can_run=has_bfloat16),
            _Form(FLOAT32, _bulk, mean=0.9999, least=0.999),
        ),
        pack,
        _documents,
    ),
}


def main() -> None:
    """Compile what the arguments name; the last line of stderr says why where it fails."""
    purpose, folder, max_tokens, into = sys.argv[1:]
    warnings.simplefilter("ignore")  # the tracer's, about what _cosines then checks
    try:
        tried = compile_model(purpose, Path(folder), int(max_tokens), Path(into))
    except Exception as error:  # noqa: BLE001 - for the process that waits for this one
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))
    sys.stdout.write("; ".join(tried))


if __name__ == "__main__":
    main()
