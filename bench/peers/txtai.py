"""txtai: Embeddings with content, over FAISS.

Its documentation's own way: `Embeddings(path=..., content=True)`, `index`, `save`, `upsert`,
`delete`. Reading and cutting is the user's: BeautifulSoup with lxml for HTML, paragraphs packed
to a length. It has nothing that notices what changed: it is told, and told of nothing it would
have to embed everything again, which is not run here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

from txtai import Embeddings

from bench.peers import protocol
from bench.peers.protocol import Search, Side, Told, contents, main

CHARS = 600
"""Of a chunk: about as many tokens as the others count."""


class Txtai(Side):
    """txtai with FAISS and SQLite."""

    def ingest(self, folder: Path, store: Path) -> dict[str, Any]:
        """Read, cut, embed, save."""
        embeddings = Embeddings(path=protocol.model_folder(), content=True)
        rows = list(_rows(folder, contents(folder)))
        embeddings.index(rows)
        return _saved(embeddings, store, [name for name, _ in rows], len(rows))

    def refresh(self, folder: Path, store: Path, told: Told) -> dict[str, Any]:
        """Take out what it is told of, and take in what has changed."""
        embeddings = _loaded(store)
        gone = tuple(f"{path}#" for path in (*told.changed, *told.removed))
        names = json.loads((store / "names.json").read_text(encoding="utf-8"))
        embeddings.delete([name for name in names if name.startswith(gone)])
        rows = list(_rows(folder, [folder / path for path in told.changed]))
        embeddings.upsert(rows)
        left = [name for name in names if not name.startswith(gone)]
        return _saved(embeddings, store, [*left, *(name for name, _ in rows)], len(rows))

    def open(self, store: Path) -> Search:
        """The index, the texts and the model, as txtai loads them. Threads take turns.

        Without that the process dies: they would share one connection to SQLite.
        """
        embeddings, turn = _loaded(store), Lock()

        def search(text: str, k: int) -> list[str]:
            with turn:
                return [hit["text"] for hit in embeddings.search(text, k)]

        return search


def _saved(embeddings: Embeddings, store: Path, names: list[str], made: int) -> dict[str, Any]:
    embeddings.save(str(store / "index"))
    (store / "names.json").write_text(json.dumps(names), encoding="utf-8")
    return {"chunks": embeddings.count(), "embedded": made}


def _loaded(store: Path) -> Embeddings:
    embeddings = Embeddings()
    embeddings.load(str(store / "index"))
    return embeddings


def _rows(folder: Path, paths: list[Path]) -> Iterator[tuple[str, str]]:
    """Chunks under names that begin with the path of their file."""
    for path in paths:
        name = path.relative_to(folder).as_posix()
        for number, text in enumerate(_packed(_text(path))):
            yield f"{name}#{number}", text


def _text(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".html":
        return text
    from bs4 import BeautifulSoup

    return str(BeautifulSoup(text, "lxml").get_text("\n\n", strip=True))


def _packed(text: str) -> Iterator[str]:
    """Paragraphs together up to a length; a longer one is cut at spaces."""
    packed = ""
    for paragraph in text.split("\n\n"):
        for piece in _cut(paragraph.strip()):
            if packed and len(packed) + len(piece) > CHARS:
                yield packed
                packed = ""
            packed = f"{packed}\n\n{piece}" if packed else piece
    if packed:
        yield packed


def _cut(paragraph: str) -> Iterator[str]:
    while len(paragraph) > CHARS:
        at = paragraph.rfind(" ", 1, CHARS)
        at = at if at > 0 else CHARS
        yield paragraph[:at]
        paragraph = paragraph[at:].strip()
    yield paragraph


if __name__ == "__main__":
    main(Txtai())
