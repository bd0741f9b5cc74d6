"""What every sub-command has in common: the store, the form of the output, how much is said."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rag.console import Console

if TYPE_CHECKING:
    from corpus.settings import Settings
    from corpus.store import Store


@dataclass(frozen=True, slots=True)
class Session:
    """One call of a command."""

    console: Console
    flags: Mapping[str, Any]

    def settings(self, flags: Mapping[str, Any] | None = None) -> Settings:
        """The settings of this call, with the command's own flags over everything else."""
        from corpus.settings import load

        return load(os.environ, {**self.flags, **(flags or {})})

    def store(self) -> Store:
        """The store of this call."""
        from corpus.store import Store

        return Store(self.settings().store)


def with_session(command: Callable[..., None]) -> Callable[..., None]:
    """Add the common options to a command, and hand them to it as its first argument."""

    @click.option("--store", type=click.Path(path_type=Path), help="The folder of the corpus.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    @click.option("-q", "--quiet", is_flag=True, help="Print results and errors only.")
    @click.option("-v", "--verbose", is_flag=True, help="Tell more of what is done.")
    @functools.wraps(command)
    def wrapped(
        *, store: Path | None, as_json: bool, quiet: bool, verbose: bool, **options: Any
    ) -> None:
        logging.basicConfig(
            level=logging.DEBUG if verbose else logging.WARNING,
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        )
        command(Session(Console(as_json, quiet), {"store": store}), **options)

    return wrapped
