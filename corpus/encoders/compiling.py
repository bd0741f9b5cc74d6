"""Compile an embedding model for processors: one graph, int8 where that keeps its meaning.

The sentence-transformers pipeline, pooling and normalisation included, is traced to ONNX; the
operators of its layers are fused; its weights become int8, one scale a channel (with one scale
a matrix the vectors lose their neighbours: cosine .95 to the original instead of .99, see
docs/log.md), and what flows between them is quantised while it runs. The result must place
:data:`SENTENCES` where the original does, or the next best form is taken.

A program of its own, because it needs torch, whose memory would stay::

    python -m corpus.encoders.compiling MODEL_FOLDER MAX_TOKENS INTO
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from corpus.embedding import ModelTokens
from corpus.encoders.graph import Graph, Record
from corpus.encoders.transformer import load_model
from corpus.files import write_new
from corpus.types import Vectors

RECIPE = 1
"""Goes up when the same weights would become another graph."""

GRAPH, RECORD = "graph.onnx", "record.json"

_OPSET = 17  # the oldest that has LayerNormalization; onnxruntime knows it since 1.12

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
class _Form:
    """A way to compile, and how near the original it must stay (cosine)."""

    name: str
    make: Callable[[Any, Path], Path]
    mean: float
    least: float


def compile_model(folder: Path, max_tokens: int, into: Path) -> Record:
    """Write the graph and its record into a folder.

    :raises RuntimeError: when no form keeps the original's vectors, with what was tried.
    """
    model = load_model(folder, threads=None, dtype="float32", attn_implementation="eager")
    reference = model.encode(list(SENTENCES), normalize_embeddings=True, show_progress_bar=False)
    tokens = ModelTokens(folder, max_tokens)
    tried = []
    with TemporaryDirectory(dir=into) as work:
        for form in _FORMS:
            try:
                data = form.make(model, Path(work)).read_bytes()
                cosines = _cosines(Graph(data), tokens, reference)
            except Exception as error:  # noqa: BLE001 - of three libraries; the next may do
                tried.append(f"{form.name}: {error}")
                continue
            if cosines.mean() >= form.mean and cosines.min() >= form.least:
                return _keep(form, data, into)
            tried.append(f"{form.name}: cosine {cosines.mean():.4f}, least {cosines.min():.4f}")
    raise RuntimeError(f"no form keeps the vectors of the model ({'; '.join(tried)})")


def _keep(form: _Form, data: bytes, into: Path) -> Record:
    written = write_new(into / GRAPH, data)
    record = Record(form=form.name, size=written.size, sha256=written.sha256)
    write_new(into / RECORD, record.model_dump_json().encode())
    return record


def _cosines(graph: Graph, tokens: ModelTokens, reference: Vectors) -> Vectors:
    computed = np.stack([graph.embed(tokens.ids(text)) for text in SENTENCES])
    cosines: Vectors = np.sum(computed * reference, axis=1)
    return cosines


def _exported(model: Any, work: Path) -> Path:
    """The whole pipeline as one graph: token ids and mask in, unit vectors out."""
    import torch

    class Pipeline(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            read = {"input_ids": input_ids, "attention_mask": attention_mask}
            return torch.nn.functional.normalize(self.model(read)["sentence_embedding"], dim=-1)

    path = work / "exported.onnx"
    if path.exists():
        return path
    ids = torch.ones(2, 16, dtype=torch.int64)
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0  # so that the trace does not take a mask of ones for granted
    free = {0: "texts", 1: "tokens"}
    with torch.inference_mode():
        torch.onnx.export(
            Pipeline(),
            (ids, mask),
            str(path),
            dynamo=False,
            opset_version=_OPSET,
            input_names=["input_ids", "attention_mask"],
            output_names=["embedding"],
            dynamic_axes={"input_ids": free, "attention_mask": free, "embedding": {0: "texts"}},
        )
    return path


def _fused(model: Any, work: Path) -> Path:
    """Attention, normalisation and activation as one operator each."""
    from onnxruntime.transformers.optimizer import optimize_model

    path = work / "fused.onnx"
    if not path.exists():
        optimised = optimize_model(str(_exported(model, work)), model_type="bert")
        optimised.save_model_to_file(str(path))
    return path


def _quantised(model: Any, work: Path) -> Path:
    """Weights as int8, one scale a channel."""
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic

    path = work / "quantised.onnx"
    quantize_dynamic(
        str(_fused(model, work)),
        str(path),
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": TensorProto.FLOAT},  # fused operators tell no type
    )
    return path


_FORMS = (
    _Form("int8", _quantised, mean=0.99, least=0.96),
    _Form("float32, fused", _fused, mean=0.9999, least=0.999),
    _Form("float32", _exported, mean=0.9999, least=0.999),
)


def main() -> None:
    """Compile what the arguments name; the last line of stderr says why where it fails."""
    folder, max_tokens, into = sys.argv[1:]
    warnings.simplefilter("ignore")  # the tracer's, about what _cosines then checks
    try:
        compile_model(Path(folder), int(max_tokens), Path(into))
    except Exception as error:  # noqa: BLE001 - for the process that waits for this one
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))


if __name__ == "__main__":
    main()
