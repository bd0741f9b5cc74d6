"""What the tests share: a small encoder that behaves, stores, and folders to ingest."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from corpus.fingerprint import Fingerprint
from corpus.settings import Settings, load
from corpus.store import Store
from corpus.types import ChunkVectors, Vectors
from ingest.pipeline import Means, Options
from ingest.progress import Silent
from ingest.report import Report
from ingest.runner import Runner

hypothesis.settings.register_profile("here", deadline=None)  # machines differ
hypothesis.settings.load_profile("here")

DATA = Path(os.environ.get("RAG_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
"""Real documents and questions; tests that need them skip where they are absent."""


class WordTokens:
    """Counts words and marks as tokens, and two special ones a text."""

    limit = 64

    def count(self, texts: list[str]) -> list[int]:
        return [len(self.boundaries(text)) + 2 for text in texts]

    def count_chunk(self, text: str) -> int:
        return self.count([text])[0]

    def boundaries(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]

    def pieces(self, text: str) -> tuple[int, int]:
        return len(self.boundaries(text)), 0


class WordHashEncoder:
    """Places texts by their words: texts that share words are near each other.

    Deterministic, needs no model, and remembers what it embedded.
    """

    makes_windows = False  # of short texts, none

    def __init__(self, model: str = "word-hash", dim: int = 64) -> None:
        self.tokens = WordTokens()
        self.embedded: list[str] = []
        self.fingerprint = Fingerprint(
            model=model,
            files={"words": model},
            pooling="sum",
            normalised=True,
            query_prefix="",
            document_prefix="",
            dim=dim,
            max_tokens=self.tokens.limit,
        )

    def encode_documents(self, texts: list[str]) -> Vectors:
        assert max(self.tokens.count(texts), default=0) <= self.tokens.limit
        self.embedded += texts
        return np.array([self._vector(text) for text in texts], np.float32)

    def encode_chunks(self, texts: list[str]) -> list[ChunkVectors]:
        """With a window for each half of a text that has at least eight words."""
        whole = self.encode_documents(texts)
        return [
            np.vstack([one, *self._halves(text)]) for one, text in zip(whole, texts, strict=True)
        ]

    def _halves(self, text: str) -> list[Vectors]:
        words = text.split()
        middle = len(words) // 2
        parts = [words[:middle], words[middle:]] if middle >= 4 else []
        return [self._vector(" ".join(part)) for part in parts]

    def encode_query(self, text: str) -> Vectors:
        return self._vector(text)

    def _vector(self, text: str) -> Vectors:
        vector = np.full(self.fingerprint.dim, 1e-3, np.float32)
        for word in re.findall(r"\w+", text.lower()):
            seed = hashlib.blake2b(f"{self.fingerprint.model}:{word}".encode(), digest_size=8)
            vector += np.random.default_rng(int.from_bytes(seed.digest())).normal(
                size=self.fingerprint.dim
            )
        return (vector / np.linalg.norm(vector)).astype(np.float32)


class Workbench:
    """A folder of documents, a store, and runs between them."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "docs"
        self.folder.mkdir()
        self.encoder = WordHashEncoder()
        self.settings = settings_for(root / "store")
        self.store = Store(self.settings.store)

    @property
    def runner(self) -> Runner:
        return Runner(Means(self.store, self.settings, self.encoder, Silent()))

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def ingest(self, *paths: Path, **options: object) -> Report:
        """A run whose embedded texts can be looked at afterwards, probes left out."""
        self.encoder.embedded.clear()
        return self.runner.ingest(list(paths) or [self.folder], Options(**options))  # type: ignore[arg-type]  # options of Options


def settings_for(store: Path, **environ: str) -> Settings:
    return load(environ, {"store": store})


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the caller's settings, nor a rag.toml of the working directory."""
    for name in os.environ:
        if name.startswith("RAG_") and name != "RAG_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("RAG_CONFIG", os.devnull)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is compiled for the tests is compiled by them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path)


@pytest.fixture
def encoder() -> WordHashEncoder:
    return WordHashEncoder()


@pytest.fixture
def data() -> Path:
    if not DATA.is_dir():
        pytest.skip(f"the evaluation data is not at {DATA}; set RAG_DATA to where it is")
    return DATA


def tree(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder with its bytes, in order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()
