"""Haystack: its converters, splitter and embedders, with the store in memory, saved to disk.

Its documentation's own way: TextFileToDocument, MarkdownToDocument and HTMLToDocument,
DocumentSplitter (which counts words), the sentence-transformers embedders (float32, batches of
32), InMemoryDocumentStore with `save_to_disk`, and CacheChecker on the path of a file, which
leaves out files that are known. It sees paths and not contents: which files changed it is told.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)

from bench.peers import protocol
from bench.peers.protocol import Search, Side, Told, contents, main

WORDS, OVERLAP = 100, 10
"""Of a chunk: about as many tokens as the others count."""


class Haystack(Side):
    """Haystack with its own store."""

    def ingest(self, folder: Path, store: Path) -> dict[str, Any]:
        """Convert, split, embed, save."""
        store.mkdir(parents=True)
        documents = InMemoryDocumentStore(embedding_similarity_function="dot_product")
        return _written(contents(folder), documents, store)

    def refresh(self, folder: Path, store: Path, told: Told) -> dict[str, Any]:
        """Take out what it is told of, and take in files whose path it does not know."""
        from haystack.components.caching import CacheChecker

        documents = _loaded(store)
        gone = [str(folder / path) for path in (*told.changed, *told.removed)]
        if gone:
            documents.delete_by_filter({"field": "meta.file_path", "operator": "in", "value": gone})
        known = CacheChecker(documents, cache_field="file_path")
        new = known.run(items=[str(path) for path in contents(folder)])["misses"]
        if not new and not gone:
            return {"chunks": documents.count_documents(), "embedded": 0}
        return _written([Path(path) for path in new], documents, store)

    def open(self, store: Path) -> Search:
        """The store and the model in memory."""
        retriever = InMemoryEmbeddingRetriever(_loaded(store))
        embedder = SentenceTransformersTextEmbedder(
            model=protocol.model_folder(), progress_bar=False, normalize_embeddings=True
        )
        embedder.warm_up()

        def search(text: str, k: int) -> list[str]:
            vector = embedder.run(text)["embedding"]
            return [one.content for one in retriever.run(vector, top_k=k)["documents"]]

        return search


def _written(paths: list[Path], documents: InMemoryDocumentStore, store: Path) -> dict[str, Any]:
    """Take in files, and save."""
    from haystack.components.preprocessors import DocumentSplitter
    from haystack.document_stores.types import DuplicatePolicy

    splitter = DocumentSplitter(split_by="word", split_length=WORDS, split_overlap=OVERLAP)
    embedder = SentenceTransformersDocumentEmbedder(
        model=protocol.model_folder(), progress_bar=False, normalize_embeddings=True
    )
    splitter.warm_up()
    embedder.warm_up()
    chunks = splitter.run(_converted(paths))["documents"]
    made = embedder.run(chunks)["documents"]
    documents.write_documents(made, policy=DuplicatePolicy.OVERWRITE)
    documents.save_to_disk(str(store / "documents.json"))
    return {"chunks": documents.count_documents(), "embedded": len(made)}


def _converted(paths: list[Path]) -> list[Any]:
    from haystack.components.converters import (
        HTMLToDocument,
        MarkdownToDocument,
        TextFileToDocument,
    )

    converters = {
        ".txt": TextFileToDocument(store_full_path=True),
        ".md": MarkdownToDocument(store_full_path=True, progress_bar=False),
        ".html": HTMLToDocument(store_full_path=True),
    }
    converted = []
    for suffix, converter in converters.items():
        some = [path for path in paths if path.suffix == suffix]
        converted += converter.run(sources=some)["documents"] if some else []
    return [document for document in converted if document.content]


def _loaded(store: Path) -> InMemoryDocumentStore:
    return InMemoryDocumentStore.load_from_disk(str(store / "documents.json"))


if __name__ == "__main__":
    main(Haystack())
