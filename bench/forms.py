"""The forms of the embedding model that are held against each other, by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from corpus.embedding import ChunkEncoder, ModelTokens, identify, model_folder
from corpus.encoders.bulk import BulkGraph, pack
from corpus.encoders.compiled_documents import CompiledDocuments
from corpus.encoders.documents import DocumentEncoder
from corpus.encoders.exporting import export_sums
from corpus.encoders.masking import mask_within
from corpus.encoders.transformer import SentenceTransformerEncoder, load_model
from corpus.settings import load

SETTINGS = load({}).embedding


def _exported(form: str) -> ChunkEncoder:
    """The graph before it is made int8: what is taken where int8 cannot be."""
    folder, space = model_folder(SETTINGS.model), identify(SETTINGS)
    model = load_model(folder, None, dtype="float32", attn_implementation="eager")
    with TemporaryDirectory() as work, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's
        exported = export_sums(model, Path(work) / "exported.onnx")
        data = mask_within(exported, Path(work) / "graph.onnx").read_bytes()
    tokens = ModelTokens(folder, space.max_tokens, SETTINGS.document_prefix)
    return CompiledDocuments(BulkGraph(pack(data, form), form), SETTINGS, space, tokens)


def _torch(dtype: str) -> ChunkEncoder:
    encoder = SentenceTransformerEncoder(SETTINGS)
    encoder._model = load_model(model_folder(SETTINGS.model), None, dtype=dtype)
    return encoder


FORMS: dict[str, Callable[[], ChunkEncoder]] = {
    "int8": lambda: DocumentEncoder(SETTINGS),
    "bfloat16": lambda: _exported("bfloat16"),
    "float32": lambda: _exported("float32"),
    "torch-bfloat16": lambda: _torch("bfloat16"),
    "torch-float32": lambda: _torch("float32"),
}
"""Compiled, in the three forms that documents can have; and by torch."""
