"""What decides how documents are read and cut: part of a snapshot's identity.

Known without loading what reads and cuts: a run compares it with what the snapshot before was
made with, and reads everything anew where it is another.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from corpus.identity import ANALYSIS
from corpus.settings import Settings
from ingest import readers

CHUNKER = 3
"""Version of :mod:`ingest.chunker`: raised whenever the same document would be cut otherwise."""


def reading_settings(settings: Settings) -> dict[str, Any]:
    """The settings and versions that a snapshot records."""
    return {
        "chunking": asdict(settings.chunking),
        "chunker": CHUNKER,
        "readers": dict(readers.VERSION),
        "words": ANALYSIS,
        **_where_given("path_metadata", list(settings.ingest.path_metadata)),
    }


def _where_given(name: str, value: list[str]) -> dict[str, Any]:
    """A setting that came later: without it a snapshot is the one that it was before."""
    return {name: value} if value else {}
