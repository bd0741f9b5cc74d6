"""Eight writers, a hundred rounds each, on one store; and a repeated ingest."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tests.conftest import Workbench
from tests.test_writers import check_repeated, check_serial


def measure(writers: int = 8, rounds: int = 100) -> dict[str, Any]:
    """Some serial order, or an ``AssertionError``."""
    with tempfile.TemporaryDirectory() as scratch:
        measured = check_serial(Path(scratch), writers, rounds)
    with tempfile.TemporaryDirectory() as scratch:
        repeated = check_repeated(Workbench(Path(scratch)))
    return {"writers": writers, "rounds": rounds, **measured, **repeated}
