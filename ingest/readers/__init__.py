"""The formats that can be read, and where each reader lives.

A new format is one module in this folder with ``read(data: bytes) -> Reading`` and one line in
the table below. A module is imported when the first file of its format is read, so a library
that only one format needs costs nothing elsewhere.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.parsed import Reader


@dataclass(frozen=True, slots=True)
class _Format:
    name: str
    module: str  # below ingest.readers
    version: int  # raised whenever the reader makes something else of the same bytes
    suffixes: tuple[str, ...]  # lower case


# ".log" is left out on purpose: machine output would crowd out what people wrote.
_TABLE = (
    _Format("md", "markdown", 1, (".md", ".markdown", ".mdown")),
    _Format("html", "html", 1, (".html", ".htm", ".xhtml")),
    _Format("txt", "text", 1, (".txt", ".text", ".rst")),
    _Format("jsonl", "records", 1, (".jsonl", ".ndjson")),
)
_MODULES = {row.name: row.module for row in _TABLE}

FORMATS: Mapping[str, str] = MappingProxyType(
    {suffix: row.name for row in _TABLE for suffix in row.suffixes}
)
"""Suffix of a file name, lower case and with its dot -> name of the format."""

RECORDS = "jsonl"
"""The format whose files hold many documents each."""

VERSION: Mapping[str, int] = MappingProxyType({row.name: row.version for row in _TABLE})
"""Format -> version of its reader. It enters a snapshot's settings: a higher one reads anew."""


def reader_for(name: str) -> Reader:
    """The reader of a format.

    :raises KeyError: when ``name`` is none of the values of :data:`FORMATS`.
    """
    reader: Reader = importlib.import_module(f"{__name__}.{_MODULES[name]}").read
    return reader
