"""Who makes the sources of a run: this process, or others where there is enough for them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from corpus.encoders.processor import cores
from ingest.making import Cutting, Here, Maker
from ingest.sources import Source

WORTH_BYTES = 4_000_000
"""A run that reads less is over before workers would have helped; measured, docs/log.md."""


def maker_for(
    sources: Sequence[Source], cutting: Cutting, count: int | None
) -> AbstractContextManager[Maker]:
    """Whoever should make these sources.

    :param count: processes at most, 0 for none beside this one; None for one on every second core.
    """
    most = min(max(1, cores() // 2) if count is None else count, len(sources))
    if not most or sum(source.stamp.size for source in sources) < WORTH_BYTES:
        return nullcontext(Here(cutting))
    from ingest.workers import Workers  # with what starts processes

    return Workers(cutting, most)
