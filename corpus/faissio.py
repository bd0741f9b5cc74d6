"""FAISS indexes as bytes and back, for files that are checked by whoever keeps them.

FAISS itself can return normally from writing to a full disk, and its files carry no checksum:
so an index is sent through a callback over checked ``os.write``, and is read only from bytes
whose hash was verified.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt


def send(index: Any, write: Callable[[bytes], int]) -> None:
    """Send an index through ``write`` in pieces; an ``OSError`` of it ends the writing."""
    failures: list[OSError] = []

    def guarded(data: bytes) -> int:
        try:
            return write(data)
        except OSError as error:
            failures.append(error)
            return 0

    sink = faiss.PyCallbackIOWriter(guarded)  # type: ignore[attr-defined]  # not in its types
    try:
        faiss.write_index(index, sink)
    except RuntimeError:
        if not failures:
            raise
    if failures:
        raise failures[0]


def load(data: bytes) -> Any:
    """An index from bytes that are known to be the ones that were written.

    :raises ValueError: when they are no index.
    """
    try:
        return faiss.deserialize_index(np.frombuffer(data, np.uint8))
    except RuntimeError as error:
        raise ValueError(f"not a FAISS index: {error}") from error


def view(data: npt.NDArray[np.uint8]) -> Any:
    """The same, with codes that stay where they are: whoever holds the index holds ``data``.

    FAISS ends the process where such an index is added to, taken from or merged.

    :raises ValueError: when they are no index.
    """
    reader = faiss.ZeroCopyIOReader(faiss.swig_ptr(data), data.size)  # type: ignore[attr-defined]
    try:
        return faiss.read_index(reader)
    except RuntimeError as error:
        raise ValueError(f"not a FAISS index: {error}") from error
