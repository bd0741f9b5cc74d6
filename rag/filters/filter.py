"""A filter that was read: what it says, and what it takes for a field."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from corpus.where import BUILT_IN, Where
from rag.filters.refusal import Refusal

_NAMED = 20  # fields that a refusal lists
_COMPARED = 1000  # fields among which one is looked for that may have been meant


@dataclass(frozen=True, slots=True)
class Filter:
    """What a request says of which documents are searched."""

    text: str
    where: Where
    fields: tuple[tuple[str, int], ...]  # each as the tree names it, and its place in the text

    def check(self, known: Collection[str]) -> None:
        """Refuse a field that no document has.

        It is a slip of the pen, as a rule, and where it stands after ``not`` it would let
        everything pass.

        :param known: the fields of the documents' own metadata.
        :raises Refusal: when a field is neither of these nor one that every document has.
        """
        for field, at in self.fields:
            if field not in BUILT_IN and field not in known:
                raise Refusal(_unknown(field, known), self.text, at)


def _unknown(field: str, known: Collection[str]) -> str:
    names = [*BUILT_IN, *islice(known, _COMPARED)]
    close = difflib.get_close_matches(field[:60], names, n=1, cutoff=0.6)
    meant = f"; did you mean {_shown(close[0])!r}?" if close else "."
    others = len(BUILT_IN) + len(known) - _NAMED
    more = f" and {others} more" if others > 0 else ""
    listed = ", ".join(_shown(name) for name in names[:_NAMED])
    return f"no document has the field {_shown(field)!r}{meant} Fields here: {listed}{more}"


def _shown(name: str) -> str:
    """A name on one line, whatever a document calls a field."""
    return "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name[:60]
    )
