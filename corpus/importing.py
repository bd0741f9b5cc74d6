"""Libraries that import more than this project uses, imported without it.

Python takes a module to be missing whose place in ``sys.modules`` holds None, and many libraries do
without what is missing. What one of them would load at every start, and use for nothing that is
asked of it here, can be left out so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*modules: str) -> Iterator[None]:
    """Import, within the block, as if these were not installed. Those that are loaded stay."""
    left_out = [name for name in modules if name not in sys.modules]
    for name in left_out:
        sys.modules[name] = None  # type: ignore[assignment]  # as Python says
    try:
        yield
    finally:
        for name in left_out:
            sys.modules.pop(name, None)  # another thread may have been in such a block, too
