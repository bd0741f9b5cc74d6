"""Weights as whole numbers of eight bits, each rounded with regard to those before it.

Rounded to the nearest, every weight errs on its own, and where channels go together their errors
add up in the product. Here what one weight loses is taken over by those of its column that are
still to be rounded, as far as their channels moved with its own in what was seen.

Source: Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
Transformers", https://arxiv.org/abs/2210.17323.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

LARGEST = 127  # of a weight
_BLOCK = 64  # rows of weights, after which what is left of the matrix is brought up to date
_DAMPING = 0.01  # of the mean square of a channel, which is added to each


def scales(matrix: Floats) -> Floats:
    """The step of each column. float32 (columns,)."""
    found: Floats = np.maximum(np.abs(matrix).max(axis=0) / LARGEST, 1e-12).astype(np.float32)
    return found


def nearest(matrix: Floats) -> Floats:
    """Each weight in steps of its column, rounded by itself."""
    codes: Floats = np.rint(matrix / scales(matrix))
    return codes


def compensated(matrix: Floats, rows: Floats) -> Floats:
    """The weights in steps of their columns, so that products with these rows change little.

    :param matrix: float32 (channels, columns).
    :param rows: float32 (n, channels), as the product reads them.
    """
    steps = scales(matrix)
    spread = _spread(rows)
    left = matrix / steps
    codes = np.empty_like(left)
    for begin in range(0, len(left), _BLOCK):
        end = min(begin + _BLOCK, len(left))
        lost = np.empty((end - begin, left.shape[1]), np.float32)
        for at in range(begin, end):
            codes[at] = np.clip(np.rint(left[at]), -LARGEST, LARGEST)
            lost[at - begin] = (left[at] - codes[at]) / spread[at, at]
            left[at + 1 : end] -= np.outer(spread[at, at + 1 : end], lost[at - begin])
        left[end:] -= spread[begin:end, end:].T @ lost
    return codes


def _spread(rows: Floats) -> Floats:
    """How an error of one channel is spread over those after it. float32 (channels, channels)."""
    together = (rows.T @ rows).astype(np.float64)
    together[np.diag_indices_from(together)] += _DAMPING * np.mean(np.diag(together)) + 1e-12
    upper: Floats = np.linalg.cholesky(np.linalg.inv(together)).T.astype(np.float32)
    return upper
