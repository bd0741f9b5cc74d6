"""How what comes into a product is read in eight bits: smoothed, and in steps of one size.

The smoothing ``s``, a number for each channel, moves what sticks out of ``x`` into ``W``, where
every column has a scale to itself: ``x @ W`` is ``(x / s) @ (s W)``. Without it few of the 256
steps are left for all other channels. What sticks out even so is divided among copies of its
channel, where there may be any (:mod:`corpus.encoders.widening`).

Source: Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large
Language Models", https://arxiv.org/abs/2211.10438.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from corpus.encoders.rounding import Floats, nearest, scales
from corpus.encoders.widening import Counts

_SMOOTHINGS = (0.3, 0.5, 0.65, 0.8, 0.95, 1.0)
"""How much of what sticks out moves into the weights; the paper's alpha. Each tensor has the one
that changes its products least."""

_EVERY = 2  # rows of a tensor: one in so many is kept
_TRIED = 2  # rows that were kept: one in so many is what smoothings are tried on

_STEPS = 255  # of what comes in, unsigned


class Seen:
    """What was seen of a tensor: how far each channel reaches, and some of its rows."""

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.least = np.zeros(channels, np.float32)
        self.largest = np.zeros(channels, np.float32)
        self._kept: list[Floats] = []

    def add(self, seen: Floats) -> None:
        """Look at a batch. float32 (..., channels)."""
        rows = seen.reshape(-1, seen.shape[-1])
        np.minimum(self.least, rows.min(axis=0), out=self.least)
        np.maximum(self.largest, rows.max(axis=0), out=self.largest)
        self._kept.append(rows[::_EVERY].copy())

    @property
    def rows(self) -> Floats:
        """float32 (rows, channels)."""
        return np.concatenate(self._kept)


@dataclass(frozen=True, slots=True)
class Steps:
    """How a tensor is read: each channel divided by a number, and all of them in these steps.

    Of a channel with copies each stands for an equal part of it.
    """

    smoothing: Floats  # (channels,)
    copies: Counts  # (channels,), 1 where a channel is read once
    scale: float
    zero: int

    @classmethod
    def choose(
        cls, seen: Seen, weights: list[Floats], spare: int, most_noise: float
    ) -> Steps | None:
        """Those that change the products with these weights least; None: all too much.

        :param spare: how many copies there may be, over one of each channel.
        :param most_noise: of a product, as a share of its square, row by row.
        """
        rows = seen.rows[::_TRIED]
        tried = [cls._smoothed(seen, weights, alpha, spare) for alpha in _SMOOTHINGS]
        noise = [steps._noise(rows, weights) for steps in tried]
        return tried[int(np.argmin(noise))] if min(noise) <= most_noise else None

    @classmethod
    def _smoothed(cls, seen: Seen, weights: list[Floats], alpha: float, spare: int) -> Steps:
        reach = np.maximum(np.maximum(-seen.least, seen.largest), 1e-5)
        stretch = np.maximum(np.max([np.abs(one).max(axis=1) for one in weights], axis=0), 1e-5)
        logs = alpha * np.log(reach) - (1 - alpha) * np.log(stretch)
        smoothing = np.exp(logs - logs.mean()).astype(np.float32)
        copies = _copies(reach / smoothing, spare)
        smoothing = (smoothing * copies).astype(np.float32)
        least = min(0.0, float((seen.least / smoothing).min()))
        largest = max(0.0, float((seen.largest / smoothing).max()))
        scale = max(largest - least, 1e-5) / _STEPS
        return cls(smoothing, copies, scale, round(-least / scale))

    def weights(self, matrix: Floats) -> Floats:
        """What weights become: float32 (channels, columns), a row for each copy."""
        return np.repeat(self._smooth(matrix), self.copies, axis=0)

    def read(self, rows: Floats) -> Floats:
        """Rows as the product has them: float32 (rows, channels), with each copy."""
        return np.repeat(self._rounded(rows), self.copies, axis=1)

    def _smooth(self, matrix: Floats) -> Floats:
        smooth: Floats = matrix * (self.smoothing / self.copies).astype(np.float32)[:, None]
        return smooth

    def _rounded(self, rows: Floats) -> Floats:
        codes = np.clip(np.rint(rows / self.smoothing / self.scale) + self.zero, 0, _STEPS)
        rounded: Floats = ((codes - self.zero) * self.scale).astype(np.float32)
        return rounded

    def _noise(self, rows: Floats, weights: list[Floats]) -> float:
        """How far products of these rows are from those of floats, as a share, row by row."""
        read = (self._rounded(rows) * self.copies).astype(np.float32)  # all copies at once
        shares = []
        for matrix in weights:
            smooth, product = self._smooth(matrix), rows @ matrix
            moved = np.square(read @ (nearest(smooth) * scales(smooth)) - product).sum(axis=1)
            shares.append(np.mean(moved / (np.square(product).sum(axis=1) + 1e-12)))
        return float(np.mean(shares))


def _copies(reach: Floats, spare: int) -> Counts:
    """How often each channel is there, so that the furthest of them reaches least."""
    copies = np.ones(len(reach), np.int64)
    for _ in range(spare):
        copies[np.argmax(reach / copies)] += 1
    return copies
