"""What a source comes to before anything of it is embedded."""

from __future__ import annotations

from dataclasses import dataclass

from corpus.texts import Entry
from corpus.types import LedgerRow


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document with what the encoder needs: ``texts[i]`` belongs to ``entry.chunks[i]``."""

    entry: Entry
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one source."""

    row: LedgerRow
    documents: tuple[Prepared, ...]
