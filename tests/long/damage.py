"""Ten thousand damages, and none served."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

from tests.test_damage import count_served, published


def measure(damages: int = 10_000, seed: int | None = None) -> dict[str, Any]:
    """None is served wrong, or an ``AssertionError`` names the one and the seed."""
    seed = random.randrange(1 << 30) if seed is None else seed
    with tempfile.TemporaryDirectory() as scratch:
        counted = count_served(published(Path(scratch)), damages, seed)
    assert counted["refused"] > damages // 2, counted
    return {"seed": seed, "wrong": 0, "broke": 0, **dict(sorted(counted.items()))}
