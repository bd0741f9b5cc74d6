"""An embedding model as a graph that OpenVINO computes, for many texts at once. Its home.

Each core computes a batch of its own: two cores on one batch are a fifth slower. It has a compiled
graph of its own as well, made when there is a batch for it, so that a few texts cost one. The graph
is kept as OpenVINO transforms it for the processor (:func:`pack`), which loads in a tenth of a
second and without torch. Calls from several threads share the cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from mmap import mmap
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from corpus.encoders.batching import Batch, batches
from corpus.encoders.processor import cores
from corpus.importing import without
from corpus.types import ChunkVectors, Vectors
from corpus.windows import MOST, stretches

FLOAT32 = "float32"
"""The form of a graph whose products are all computed as such."""

_MOST_CORES = 8
"""Cores that are used; each one more needs some 40 MB."""

Texts = Sequence[Sequence[int]]
"""Token ids of each text, special tokens included."""


class BulkGraph:
    """Token ids to vectors of texts, and of their windows where the graph has an input for them.

    :param packed: what :func:`pack` made, on a machine like this one. It is held.
    :param form: the one that it was packed in.
    :raises RuntimeError: when it is no packed graph, or one of another OpenVINO.
    """

    def __init__(self, packed: bytes | mmap, form: str) -> None:
        self._openvino, self._form = _openvino(), form
        self._core = self._openvino.Core()
        self._packed = np.frombuffer(packed, np.uint8)  # weights stay there
        self._cores, self._used = _most_cores(), 1
        self._turn = Lock()
        compiled = self._compiled()
        self.makes_windows = len(compiled.inputs) == 3
        self._free: SimpleQueue[Any] = SimpleQueue()  # a request serves one thread at a time
        self._free.put(compiled.create_infer_request())
        # OpenVINO's binding sets itself up when it is first used, and two threads that both do it
        # then wait for each other for ever: one holds the interpreter's lock, one the binding's.
        # After a batch of length 1 OpenVINO would compute those of every other length wrongly.
        self._computed(Batch((0,), 16), [[0]])

    def embed(self, texts: Texts, limit: int) -> list[ChunkVectors]:
        """Embed texts. What comes out of each hangs on no other.

        :param limit: the most tokens that the model takes; no text has more.
        """
        found: list[ChunkVectors] = [np.empty((0, 0), np.float32)] * len(texts)
        planned = list(batches([len(text) for text in texts], limit))
        with ThreadPoolExecutor(self._cores) as pool:
            for batch, vectors in zip(
                planned, pool.map(lambda one: self._computed(one, texts), planned), strict=True
            ):
                for place, its in zip(batch.places, vectors, strict=True):
                    found[place] = its
        return found

    def _computed(self, batch: Batch, texts: Texts) -> list[ChunkVectors]:
        chosen = [texts[place] for place in batch.places]
        request = self._taken()
        try:
            request.infer(inputs(chosen, batch.tokens, self.makes_windows), share_inputs=True)
            sums = request.get_output_tensor(0).data.copy()
        finally:
            self._free.put(request)
        if not self.makes_windows:
            return [_unit(one[None]) for one in sums]
        return [
            _unit(one[: 1 + len(_windows(text))]) for one, text in zip(sums, chosen, strict=True)
        ]

    def _taken(self) -> Any:
        """A request that is free, or one on a core that none was on, or the first to be free."""
        with suppress(Empty):
            return self._free.get_nowait()
        with self._turn:
            is_left = self._used < self._cores
            self._used += is_left
        return self._compiled().create_infer_request() if is_left else self._free.get()

    def _compiled(self) -> Any:
        """The graph, for one core."""
        shape = self._openvino.Shape(self._packed.shape)
        view = self._openvino.Tensor(self._packed, shape, self._openvino.Type.u8)
        return self._core.import_model(view, "CPU", _properties(self._form))


def version() -> str:
    """Of OpenVINO. What one version packed another does not read."""
    return str(_openvino().__version__)


def pack(graph: bytes, form: str) -> bytes:
    """A graph as OpenVINO transforms it for this processor: loaded in a third of the time.

    :param graph: an ONNX model of :mod:`corpus.encoders.exporting`, or that made int8.
    :param form: :data:`FLOAT32`, or else what is not int8 is bfloat16, where the processor has it.
    """
    core = _openvino().Core()
    compiled = core.compile_model(core.read_model(graph), "CPU", _properties(form))
    packed: bytes = compiled.export_model().getvalue()
    return packed


def has_bfloat16() -> bool:
    """Whether the processor computes bfloat16 natively."""
    return "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _properties(form: str) -> dict[str, Any]:
    return {
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": 1,
        "ENABLE_CPU_PINNING": False,  # or every graph of one stream would be on the first core
        "INFERENCE_PRECISION_HINT": "bf16" if form != FLOAT32 and has_bfloat16() else "f32",
    }


def _most_cores() -> int:
    """Batches that are computed at once, at most."""
    return min(cores(), _MOST_CORES)


def _openvino() -> Any:
    """OpenVINO, without what converts models of other libraries.

    That takes a third of the import, reports it to the vendor over the network, and leaves an
    identifier in the home folder.
    """
    with without("openvino.tools.ovc"):
        import openvino

    return openvino


def inputs(texts: Texts, tokens: int, has_parts: bool) -> dict[str, npt.NDArray[Any]]:
    """What a graph is given: ids and mask, and which tokens each vector is the sum of.

    :param tokens: what each text is padded to.
    """
    shape = (len(texts), tokens)
    ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    parts = np.zeros((len(texts), 1 + MOST, tokens), np.float32)
    for row, text in enumerate(texts):
        ids[row, : len(text)], mask[row, : len(text)] = text, 1
        parts[row, 0, : len(text)] = 1
        for part, (begin, end) in enumerate(_windows(text), start=1):
            parts[row, part, begin:end] = 1
    read = {"input_ids": ids, "attention_mask": mask}
    return {**read, "parts": parts} if has_parts else read


def _windows(text: Sequence[int]) -> list[tuple[int, int]]:
    """Where the windows of a text are among its tokens, of which the first and last are special."""
    return [(begin + 1, end + 1) for begin, end in stretches(max(0, len(text) - 2))]


def _unit(rows: Vectors) -> ChunkVectors:
    vectors: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return vectors
