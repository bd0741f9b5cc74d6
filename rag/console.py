"""What the commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Console:
    """How much is said, and in which form."""

    as_json: bool = False  # one JSON object on standard output, and nothing else there
    quiet: bool = False

    def result(self, text: str, value: Mapping[str, Any]) -> None:
        """Print what the command is for: the text, or the object with ``--json``."""
        if self.as_json:
            # Half a surrogate pair, from a file name that is no UTF-8, becomes its JSON escape.
            data = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")
            click.echo(data)
        else:
            click.echo(text)

    def note(self, text: str) -> None:
        """Tell something by the way, unless quiet."""
        if not self.quiet:
            click.echo(text, err=True)


def printable(text: str) -> str:
    """A name or a line from outside on one line, with nothing a terminal would act on."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def harmless(text: str) -> str:
    """A text from outside with its line ends, and with nothing else a terminal would act on."""
    return "\n".join(printable(line.expandtabs()) for line in text.split("\n"))


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns aligned to the left, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)
