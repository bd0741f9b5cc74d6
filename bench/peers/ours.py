"""This project: taken in by the command as it is, searched as a library in one process.

Ingest and refresh are not run through here but as ``rag ingest`` itself; the arguments of this
script are those of every side all the same, so that it can be tried alone. Questions go through
the search of the service (:meth:`rag.answerer.Answerer.search`): vectors and words, as default.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.peers.protocol import Search, Side, Told, main


class Ours(Side):
    """This project."""

    def ingest(self, folder: Path, store: Path) -> dict[str, Any]:
        """One run of the command."""
        ran = subprocess.run(
            [sys.executable, "-m", "rag", "ingest", str(folder), "--store", str(store), "--json"],
            stdout=subprocess.PIPE,
            check=True,
        )
        return counted(json.loads(ran.stdout))

    def refresh(self, folder: Path, store: Path, told: Told) -> dict[str, Any]:
        """The same run: it finds out by itself."""
        return self.ingest(folder, store)

    def open(self, store: Path) -> Search:
        """The corpus, as the commands that answer open it."""
        from corpus.settings import load
        from rag.commands.opening import open_corpus

        answerer = open_corpus(load({}, {"store": store})).answerer
        return lambda text, k: [hit.chunk.text for hit in answerer.search(text, k).hits]


def counted(report: dict[str, Any]) -> dict[str, Any]:
    """What the sides tell of a run, from the command's own report."""
    return {"chunks": report["chunks"], "embedded": report["embedded_chunks"]}


if __name__ == "__main__":
    main(Ours())
