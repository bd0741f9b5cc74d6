"""An embedding model as a graph that ONNX Runtime computes. Its home.

Loaded in a twentieth of a second and without torch. Calls from several threads run side by
side: a session may be shared, computes on the thread that asks, and frees the interpreter
meanwhile.
"""

from __future__ import annotations

import numpy as np

from corpus.types import Vectors

_SLOWER = ["SkipLayerNormFusion"]
"""What is not fused: a sum and its normalisation as one operator take two to three times as long
as one after the other, a fifth of the whole, with onnxruntime 1.32 (docs/log.md)."""


def version() -> str:
    """Of ONNX Runtime."""
    import onnxruntime

    return str(onnxruntime.__version__)


class Graph:
    """Token ids to a vector.

    :param data: an ONNX model with ``input_ids`` and ``attention_mask``, int64 (texts, tokens),
        and one output, unit float32 (texts, dim).
    """

    def __init__(self, data: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors
        self._session = onnxruntime.InferenceSession(
            data, options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOWER
        )

    def embed(self, ids: list[int]) -> Vectors:
        """Embed one text. float32 (dim,), unit."""
        read = np.array([ids], np.int64)
        outputs = self._session.run(None, {"input_ids": read, "attention_mask": np.ones_like(read)})
        vector: Vectors = outputs[0][0]
        return vector
