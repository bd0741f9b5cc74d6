"""A folder to work in, in memory where there is such a place."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_IN_MEMORY = Path("/dev/shm")  # what is tried is the store; a disk would only be slower


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that is gone after the block."""
    place = _IN_MEMORY if _IN_MEMORY.is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="torture-", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear(folder: Path) -> None:
    """Remove a folder, although somebody who is just ending may still put a file into it."""
    for _ in range(100):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.02)
    raise RuntimeError(f"{folder} cannot be removed: somebody goes on writing into it")
