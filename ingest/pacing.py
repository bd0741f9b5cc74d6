"""Python's garbage collector, kept from looking at every row of a large corpus again and again.

A run makes some objects for each file and keeps them. At its usual pace the collector looks
through all of them each time that ten thousands more have come: a quarter of the time of a run
that finds nothing to do in 20,000 files. What parsers leave in circles is still collected; it is
some 8 KB a page.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_PACE = (500_000, 20, 20)  # new objects, and generations, before it looks; 700, 10, 10 by default


@contextmanager
def rare_collections() -> Iterator[None]:
    """Have it look seldom for the length of the block.

    At its end everything counts as old, so that it is not looked through there and then.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_PACE)
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()
        gc.set_threshold(*before)
