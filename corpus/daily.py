"""Once a day a run verifies all of the snapshot that it follows.

A run reads of the snapshot before it only what it needs, and verifies what it reads; what it
shares with it without reading it could be damaged, and the damage handed on. Whoever opens a
snapshot to answer from it verifies all of it, and so does, once a day, a run.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from corpus import files

NAME = "VERIFIED"
EVERY_S = 86_400


def is_due(store: Path) -> bool:
    """Whether it has not been done for a day, or there is no telling."""
    try:
        age_s = time.time() - float((store / NAME).read_bytes())
    except (OSError, ValueError):
        return True
    return not 0 <= age_s < EVERY_S  # a clock that went back proves nothing


def note(store: Path) -> None:
    """All that is current is known to be well now. Where it cannot be noted it is done again."""
    with suppress(OSError):
        files.replace(store / NAME, f"{int(time.time())}\n".encode())
