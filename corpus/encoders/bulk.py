"""An embedding model as a graph that OpenVINO computes, for many texts at once. Its home.

Each core computes a batch of its own: two cores on one batch are a fifth slower. It has a compiled
graph of its own as well, made when there is a batch for it, so that a few texts cost one. A graph
needs time and memory for each shape of batch that it has not seen, so cores begin with the longest
texts or with the shortest, by turns, and see half of the shapes. The graph is kept as OpenVINO
transforms it for the processor (:func:`pack`), which loads in a tenth of a second and without
torch. Calls from several threads take turns at each core.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property, partial
from mmap import mmap
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

Inputs = dict[str, npt.NDArray[Any]]
"""What a graph is given, by name."""


class BulkGraph:
    """Token ids to vectors of texts, and of their windows where the graph has an input for them.

    :param packed: what :func:`pack` made, on a machine like this one. It is held.
    :param form: the one that it was packed in.
    :raises RuntimeError: when it is no packed graph, or one of another OpenVINO.
    """

    def __init__(self, packed: bytes | mmap, form: str) -> None:
        openvino, data = _openvino(), np.frombuffer(packed, np.uint8)
        view = openvino.Tensor(data, openvino.Shape(data.shape), openvino.Type.u8)
        compiled = partial(openvino.Core().import_model, view, "CPU", _properties(form))
        self._cores = [_Core(compiled) for _ in range(_most_cores())]
        self._packed = data  # weights stay there; it is let go of after what reads them
        self.makes_windows = len(self._cores[0].request.model_inputs) == 3
        # OpenVINO's binding sets itself up when it is first used, and two threads that both do it
        # then wait for each other for ever: one holds the interpreter's lock, one the binding's.
        # After a batch of length 1 OpenVINO would compute those of every other length wrongly.
        self._computed(Batch((0,), 16), [[0]], self._cores[0])

    def embed(self, texts: Texts, limit: int) -> list[ChunkVectors]:
        """Embed texts. What comes out of each hangs on no other.

        :param limit: the most tokens that the model takes; no text has more.
        """
        found: list[ChunkVectors] = [np.empty((0, 0), np.float32)] * len(texts)
        left = deque(batches([len(text) for text in texts], limit))

        def take_part(number: int) -> None:
            for batch in _taken(left, from_end=bool(number % 2)):
                vectors = self._computed(batch, texts, self._cores[number])
                for place, its in zip(batch.places, vectors, strict=True):
                    found[place] = its

        parts = range(min(len(self._cores), len(left)))
        with ThreadPoolExecutor(len(self._cores)) as pool:
            deque(pool.map(take_part, parts), maxlen=0)
        return found

    def _computed(self, batch: Batch, texts: Texts, core: _Core) -> list[ChunkVectors]:
        chosen = [texts[place] for place in batch.places]
        sums = core.computed(inputs(chosen, batch.tokens, self.makes_windows))
        if not self.makes_windows:
            return [_unit(one[None]) for one in sums]
        return [
            _unit(one[: 1 + len(_windows(text))]) for one, text in zip(sums, chosen, strict=True)
        ]


class _Core:
    """A graph of one core's own, made when it is first asked for; it computes a batch at a time."""

    def __init__(self, compiled: Callable[[], Any]) -> None:
        # Not a method of the graph that holds this: in a circle both would wait for the collector.
        self._compiled, self._turn = compiled, Lock()

    @cached_property
    def request(self) -> Any:
        """What computes. For one thread at a time."""
        return self._compiled().create_infer_request()

    def computed(self, given: Inputs) -> Vectors:
        """What comes out. float32, the graph's own shape."""
        with self._turn:
            self.request.infer(given, share_inputs=True)
            vectors: Vectors = self.request.get_output_tensor(0).data.copy()
        return vectors


def _taken(left: deque[Batch], from_end: bool) -> Iterator[Batch]:
    """Batches of those that are left, until none is."""
    take = left.pop if from_end else left.popleft
    with suppress(IndexError):
        while True:
            yield take()


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


def inputs(texts: Texts, tokens: int, has_parts: bool) -> Inputs:
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
