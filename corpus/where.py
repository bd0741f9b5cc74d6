"""Which documents are searched: a condition on what is known of them, as data.

A tree of frozen values. It crosses the seam between who asks and what searches, so it holds no
text of the language that people write (that is ``rag.filters``) and nothing of how it is
decided (``corpus.columns``). Two trees that say the same in the same words are equal and
hash alike, so that a decision can be remembered.

What a leaf says of one value is in :mod:`corpus.comparing`, what a pattern matches in
:mod:`corpus.globs`. A leaf about a field that a document does not have is false, and ``Not`` of
it is true: ``lang != de`` holds for a document that says nothing of its language.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

ID, PATH, TITLE, FORMAT = "id", "path", "title", "format"

BUILT_IN = (ID, PATH, TITLE, FORMAT)
"""Fields that every document has: its id, the id of its file, its title, its format."""

OWN = "metadata."
"""Before the name of a field of a document's own metadata, where its name alone is taken."""


class Op(StrEnum):
    """How a value is compared."""

    EQUAL = "="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Compare:
    """A value of the field stands so to this one."""

    field: str  # see canonical
    op: Op
    value: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """A value of the field is equal to one of these."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Glob:
    """A value of the field matches the pattern."""

    field: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Where


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds. At least two."""

    parts: tuple[Where, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Some part holds. At least two."""

    parts: tuple[Where, ...]


Leaf = Compare | OneOf | Glob
Where = Leaf | Not | And | Or


def folded(text: str) -> str:
    """A text without case, its accents composed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def canonical(name: str) -> str:
    """A field as a tree names it: without case, and ``metadata.`` left out where it can be."""
    name = folded(name)
    own = name.removeprefix(OWN)
    return own if own != name and not _is_taken(own) else name


def own_field(key: str) -> str:
    """The field that holds a key of a document's metadata."""
    key = folded(key)
    return OWN + key if _is_taken(key) else key


def _is_taken(name: str) -> bool:
    """Whether a name without ``metadata.`` before it means something else than own metadata."""
    return name in BUILT_IN or name.startswith(OWN) or not name
