"""Byte code of this project, made before starts are measured.

pip makes it of whatever it installs, so every peer has it. A checkout gets it where the first run
may write it, and otherwise compiles its modules at each start, a quarter more of a short one.
"""

from __future__ import annotations

import compileall
from pathlib import Path

PACKAGES = ("corpus", "ingest", "rag")


def make() -> None:
    """Compile what has changed since it was compiled."""
    for package in PACKAGES:
        compileall.compile_dir(Path(__file__).parent.parent / package, quiet=1)
