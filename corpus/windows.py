"""Vectors of parts of a chunk, so that a sentence is found in a chunk about more than it.

The vector of a chunk is the mean of what the model makes of its tokens. A question is about one
sentence of it, whose meaning the mean waters down. So the means of stretches of some 32 tokens
are kept as well: they come out of the same computation, in the context of the whole chunk, and
cost no more of it. They are not searched: what a search found is scored by the best of them
(docs/log.md has what that gains).

On disk a chunk has a row of :data:`MOST` windows, in the order of the rows of its segment's
vectors; a window is int8 with a scale of its own, and one that is not there has the scale 0.

Source: Günther et al., "Late Chunking: Contextual Chunk Embeddings Using Long-Context Embedding
Models", https://arxiv.org/abs/2409.04701.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from corpus.blocks import BlockReader, BlockSums
from corpus.files import CheckedWriter, FileRecord
from corpus.places import Layout, Places, Rows
from corpus.scattered import ScatteredRows
from corpus.types import Vectors

MOST = 5
"""Windows of a chunk at most: those of a longer chunk are longer."""

_TOKENS = 32
"""Tokens of a window, about."""

_LARGEST = 127

_TOGETHER = 64
"""Chunks that are encoded at once, 2 MB: one by one takes three times as long."""


def pool(outputs: Vectors) -> Vectors:
    """The windows of a text, float32 (windows, dim), unit rows.

    :param outputs: what the model makes of each token, float32 (tokens, dim), specials left out.
    """
    means = [outputs[begin:end].mean(axis=0) for begin, end in stretches(len(outputs))]
    windows = np.array(means, np.float32).reshape(len(means), outputs.shape[1])
    windows /= np.linalg.norm(windows, axis=1, keepdims=True)
    return windows


def stretches(tokens: int) -> list[tuple[int, int]]:
    """Where the windows of a text begin and end, in tokens, specials left out."""
    count = min(MOST, max(1, round(tokens / _TOKENS)), tokens)
    ends = [round(tokens * n / count) for n in range(1, count + 1)] if count else []
    return list(zip([0, *ends], ends, strict=False))


def layout(dim: int) -> np.dtype[np.void]:
    """How the windows of one chunk lie in a file."""
    window = np.dtype([("scale", "<f2"), ("codes", "i1", (dim,))])
    return np.dtype((window, (MOST,)))


def encode(chunks: Sequence[Vectors]) -> bytes:
    """The rows of some chunks. Encoding what :func:`decode` gave changes nothing.

    :param chunks: the windows of each, float32 (at most :data:`MOST`, dim).
    """
    windows = np.concatenate(chunks)
    scales = (np.abs(windows).max(axis=1, initial=0) / _LARGEST).astype(np.float16)
    scaled = windows / scales[:, None].astype(np.float32)
    rows = np.zeros(len(chunks), layout(windows.shape[1]))
    is_there = np.arange(MOST) < np.array([len(its) for its in chunks])[:, None]
    rows["scale"][is_there] = scales
    rows["codes"][is_there] = np.clip(np.rint(scaled), -_LARGEST, _LARGEST)
    return rows.tobytes()


def decode(row: bytes, dim: int) -> Vectors:
    """The windows of a chunk, float32 (windows, dim), to eight bits."""
    read = np.frombuffer(row, layout(dim).base)
    there = read[read["scale"] > 0]
    decoded: Vectors = there["codes"] * there["scale"].astype(np.float32)[:, None]
    return decoded


class WindowWriter:
    """Writes the windows of a new segment, row by row; no file where no chunk has any."""

    def __init__(self, path: Path, dim: int) -> None:
        self._path, self._dim = path, dim
        self._file: CheckedWriter | None = None
        self._sums, self._before = BlockSums(), 0

    def add(self, chunks: Sequence[Vectors]) -> None:
        """The windows of the next chunks, float32 (windows, dim) of each."""
        if self._file is None and not any(map(len, chunks)):
            self._before += len(chunks)
            return
        if self._file is None:
            self._file = CheckedWriter(self._path)
            self._write(bytes(self._before * layout(self._dim).itemsize))
        for first in range(0, len(chunks), _TOGETHER):
            self._write(encode(chunks[first : first + _TOGETHER]))

    def finish(self) -> tuple[FileRecord, bytes] | None:
        """Make the file durable: what it is, and the hashes of its blocks; None: there is none."""
        if self._file is None:
            return None
        with self._file as finished:
            self._file = None
        return finished.record, self._sums.to_bytes()

    def close(self) -> None:
        """Let go of a file that was not finished."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, data: bytes) -> None:
        if self._file is not None:
            self._file.write(data)
            self._sums.update(data)


class WindowFile:
    """The windows of a segment, read where they lie.

    :param stays: whether what was read may stay in memory.
    :raises ValueError: when the file is not a whole number of rows.
    """

    def __init__(self, path: Path, dim: int, *, stays: bool = True) -> None:
        self._dim = dim
        # As a plain array: every view of a memmap is a Python object that is made anew.
        mapped = np.asarray(np.memmap(path, layout(dim).base, "r")).reshape(-1, MOST)
        scattered = None if stays else ScatteredRows(path, layout(dim))
        self._take = partial(mapped.take, axis=0) if scattered is None else scattered.take

    def __getitem__(self, row: int) -> Vectors:
        """The windows of a chunk, float32 (windows, dim)."""
        return decode(self._take(np.array([row])).tobytes(), self._dim)

    def best(self, rows: Rows, query: Vectors) -> Vectors:
        """The cosine of each chunk's best window to a query, float32 (n,); -1 where it has none.

        :param query: float32 (dim,), a unit vector.
        """
        windows = self._take(rows)
        scales = windows["scale"].astype(np.float32)
        cosines = windows["codes"].astype(np.float32) @ query * scales
        best: Vectors = np.where(scales > 0, cosines, -1).max(axis=1)
        return best


class Windows:
    """The windows of a snapshot's chunks, whatever segment they lie in. Searches take no lock.

    :param files: those of each segment; None: its chunks have none.
    """

    def __init__(self, layout: Layout, files: Sequence[WindowFile | None]) -> None:
        self._layout, self._files = layout, files

    def best(self, places: Places, query: Vectors) -> Vectors:
        """The cosine of each chunk's best window to a query, float32 (n,); -1 where it has none.

        :param query: float32 (dim,), a unit vector.
        """
        cosines = np.full(len(places), -1, np.float32)
        for number, here, rows in self._layout.split(places):
            file = self._files[number]
            if file is not None:
                cosines[here] = file.best(rows, query)
        return cosines


class WindowRows:
    """Single rows of a file of which only the blocks that are read are verified."""

    def __init__(self, file: BlockReader, dim: int) -> None:
        self._file, self._dim, self._width = file, dim, layout(dim).itemsize

    def __getitem__(self, row: int) -> Vectors:
        """The windows of a chunk, float32 (windows, dim).

        :raises ValueError: when a block is damaged.
        """
        return decode(self._file.read(row * self._width, self._width), self._dim)
