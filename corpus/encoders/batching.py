"""Which texts are embedded together: some of about one length, so that little is padded.

A batch is bounded by its tokens, padding included, so that what is computed stays in the cache of
a core; lengths are rounded up, so that the same few shapes come again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TOKENS = 1024
"""Of a batch, padding included, at most. 4,096 are 4 % slower, and need more memory."""

_STEP = 16
"""What lengths are rounded up to. Attention over 104 tokens takes longer than over 112, so a
smaller step gains nothing, and each shape costs 10 ms when it first comes, and 4 MB."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts that are embedded together."""

    places: tuple[int, ...]  # of the texts
    tokens: int  # that each is padded to


def batches(lengths: Sequence[int], limit: int) -> Iterator[Batch]:
    """Divide texts into batches, the longest first.

    :param lengths: tokens of each text, none more than ``limit``.
    :param limit: the most tokens that the model takes.
    """
    left = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    while left:
        tokens = min(limit, -(-lengths[left[0]] // _STEP) * _STEP)
        count = max(1, _TOKENS // max(1, tokens))
        yield Batch(tuple(left[:count]), tokens)
        left = left[count:]
