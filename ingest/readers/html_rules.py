"""What the reader of HTML knows of elements: what is seen, what is furniture, what breaks lines.

Everything here is about names and attributes; the tree is walked in :mod:`ingest.readers.html`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


UNSEEN = _names("script style template title annotation annotation-xml rp")
"""Never text: code, metadata, and what repeats its neighbour in another notation."""

CONTROLS = _names("button select textarea input datalist option noscript iframe svg")
"""What a page works or draws with, not what it says."""

BLOCKS = _names(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset "
    "figcaption figure footer form frameset header hgroup hr html legend li main menu nav noframes "
    "ol optgroup option p pre section summary table tbody td tfoot th thead tr ul"
)
"""Elements that end the line before them and their own last line."""

HEADINGS = {f"h{level}": level for level in range(1, 7)}
LISTS = _names("ul ol menu dir")
BESIDE_ROWS = _names("caption colgroup col")
LAYOUT = frozenset(("table", "pre", *HEADINGS))
"""Elements that stand in cells of tables made for layout only."""

METADATA = {  # names of meta elements -> names of metadata
    "description": "description",
    "og:description": "description",
    "author": "author",
    "article:author": "author",
    "date": "date",
    "dcterms.date": "date",
    "article:published_time": "date",
    "keywords": "keywords",
}

_FURNITURE = _names("nav dialog")
_FURNITURE_ROLES = _names("navigation banner contentinfo search dialog alertdialog menu menubar")
_CONCEALED = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_LINE_NUMBERS = _names("linenos lineno linenodiv gutter")  # of highlighted code

Attributes = Mapping[str, object]
"""As Beautiful Soup holds them: strings, and lists of strings for ``class`` and its like."""


def attribute(attributes: Attributes, name: str) -> str:
    """An attribute as one string, stripped; empty where it is missing."""
    value = attributes.get(name) if attributes else None
    if value is None:
        return ""
    return (value if isinstance(value, str) else " ".join(map(str, _several(value)))).strip()


def _several(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value]


def role(attributes: Attributes) -> str:
    """The ARIA role, lower case."""
    return attribute(attributes, "role").lower()


def is_unseen(name: str, attributes: Attributes) -> bool:
    """Whether a browser shows nothing of the element."""
    if name in UNSEEN:
        return True
    if not attributes:
        return False
    if "hidden" in attributes and attribute(attributes, "hidden").lower() != "until-found":
        return True
    if attribute(attributes, "aria-hidden").lower() == "true":
        return True
    return bool(_CONCEALED.search(attribute(attributes, "style")))


def is_furniture(name: str, attributes: Attributes) -> bool:
    """Whether the element serves the site and not the page, wherever it stands."""
    if name in _FURNITURE or role(attributes) in _FURNITURE_ROLES:
        return True
    return not _LINE_NUMBERS.isdisjoint(attribute(attributes, "class").split())
