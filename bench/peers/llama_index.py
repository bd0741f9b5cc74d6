"""LlamaIndex: an ingestion pipeline with a document store, over FAISS.

Its documentation's own way: SimpleDirectoryReader with HTMLTagReader for HTML, SentenceSplitter
counted by the model's tokenizer, HuggingFaceEmbedding (float32), and an IngestionPipeline whose
document store compares hashes (`UPSERTS_AND_DELETE`). FaissMapVectorStore keeps vectors only, so
the nodes are kept in a second document store, without their vectors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.faiss import FaissMapVectorStore

from bench.peers import protocol
from bench.peers.protocol import CHUNK_TOKENS, OVERLAP_TOKENS, Search, Side, Told, main

DIM, BATCH = 384, 32


class LlamaIndex(Side):
    """LlamaIndex with FAISS."""

    def ingest(self, folder: Path, store: Path) -> dict[str, Any]:
        """Read, split, embed, save."""
        store.mkdir(parents=True)
        vectors = FaissMapVectorStore(faiss.IndexIDMap2(faiss.IndexFlatIP(DIM)))
        return _run(folder, store, vectors, SimpleDocumentStore(), SimpleDocumentStore())

    def refresh(self, folder: Path, store: Path, told: Told) -> dict[str, Any]:
        """Read everything; the document store knows which files are new, changed or gone."""
        documents = SimpleDocumentStore.from_persist_path(str(store / "documents.json"))
        return _run(folder, store, _vectors(store), documents, _nodes(store))

    def open(self, store: Path) -> Search:
        """The vectors, the nodes and the model in memory."""
        vectors, nodes, model = _vectors(store), _nodes(store), _model()

        def search(text: str, k: int) -> list[str]:
            query = VectorStoreQuery(model.get_query_embedding(text), similarity_top_k=k)
            ids = vectors.query(query).ids or []
            return [node.get_content() for node in nodes.get_nodes(ids)]

        return search


def _run(
    folder: Path,
    store: Path,
    vectors: FaissMapVectorStore,
    documents: SimpleDocumentStore,
    nodes: SimpleDocumentStore,
) -> dict[str, Any]:
    from llama_index.core import SimpleDirectoryReader
    from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
    from llama_index.readers.file import HTMLTagReader

    read = SimpleDirectoryReader(
        str(folder),
        recursive=True,
        filename_as_id=True,
        file_extractor={".html": HTMLTagReader(tag="body")},
    ).load_data()
    for document in read:  # else the path of its file is embedded with every chunk
        document.excluded_embed_metadata_keys = list(document.metadata)
        document.excluded_llm_metadata_keys = list(document.metadata)
    pipeline = IngestionPipeline(
        transformations=[_splitter(), _model()],
        docstore=documents,
        vector_store=vectors,
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
        disable_cache=True,  # it would keep every vector a second time, as JSON
    )
    made = pipeline.run(documents=read)
    for node in made:
        node.embedding = None
    nodes.add_documents(made)
    vectors.persist(str(store / "vectors.faiss"))
    documents.persist(str(store / "documents.json"))
    nodes.persist(str(store / "nodes.json"))
    return {"chunks": vectors.client.ntotal, "embedded": len(made)}


def _splitter() -> Any:
    from llama_index.core.node_parser import SentenceSplitter
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(protocol.model_folder())
    return SentenceSplitter(
        chunk_size=CHUNK_TOKENS,
        chunk_overlap=OVERLAP_TOKENS,
        tokenizer=lambda text: tokenizer.encode(text, add_special_tokens=False),
    )


def _model() -> HuggingFaceEmbedding:
    return HuggingFaceEmbedding(protocol.model_folder(), embed_batch_size=BATCH)


def _vectors(store: Path) -> FaissMapVectorStore:
    return FaissMapVectorStore.from_persist_path(str(store / "vectors.faiss"))


def _nodes(store: Path) -> SimpleDocumentStore:
    return SimpleDocumentStore.from_persist_path(str(store / "nodes.json"))


if __name__ == "__main__":
    main(LlamaIndex())
