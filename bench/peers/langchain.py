"""LangChain: its loaders, splitter and indexing API, with FAISS and a record manager.

Its documentation's own way: DirectoryLoader with BSHTMLLoader for HTML and TextLoader for the
rest, RecursiveCharacterTextSplitter counted by the model's tokenizer, HuggingFaceEmbeddings
(float32, batches of 32), `index(..., cleanup="full")`, which removes what is gone, and
FAISS.save_local. The vector store is saved as a pickle; there is no other form.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
from langchain_community.docstore.in_memory import InMemoryDocstore
from langchain_community.vectorstores import FAISS
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from bench.peers import protocol
from bench.peers.protocol import CHUNK_TOKENS, OVERLAP_TOKENS, Search, Side, Told, main

BATCH = 1_000  # chunks that are embedded in one call, which sorts them by length
DIM = 384


class LangChain(Side):
    """LangChain with FAISS."""

    def embeddings(self) -> Embeddings:
        """What texts are embedded with."""
        from langchain_huggingface import HuggingFaceEmbeddings

        return HuggingFaceEmbeddings(
            model_name=protocol.model_folder(), encode_kwargs={"normalize_embeddings": True}
        )

    def ingest(self, folder: Path, store: Path) -> dict[str, Any]:
        """Load, split, embed, save."""
        store.mkdir(parents=True)
        index = faiss.IndexFlatIP(DIM)
        return self._indexed(folder, store, FAISS(self.embeddings(), index, InMemoryDocstore(), {}))

    def refresh(self, folder: Path, store: Path, told: Told) -> dict[str, Any]:
        """Load and split everything; the record manager knows which chunks are new or gone."""
        return self._indexed(folder, store, self._loaded(store))

    def open(self, store: Path) -> Search:
        """The vector store in memory."""
        vectors = self._loaded(store)
        return lambda text, k: [
            hit.page_content for hit, _ in vectors.similarity_search_with_score(text, k=k)
        ]

    def _loaded(self, store: Path) -> FAISS:
        # It is unpickled, which is safe with what this process wrote itself.
        return FAISS.load_local(str(store), self.embeddings(), allow_dangerous_deserialization=True)

    def _indexed(self, folder: Path, store: Path, vectors: FAISS) -> dict[str, Any]:
        from langchain_classic.indexes import SQLRecordManager
        from langchain_core.indexing import index

        records = SQLRecordManager("folder", db_url=f"sqlite:///{store / 'records.sqlite'}")
        records.create_schema()
        told = index(
            _chunks(folder),
            records,
            vectors,
            cleanup="full",
            source_id_key="source",
            batch_size=BATCH,
            key_encoder="blake2b",
        )
        vectors.save_local(str(store))
        return {"chunks": vectors.index.ntotal, "embedded": told["num_added"]}


def _chunks(folder: Path) -> list[Document]:
    from langchain_community.document_loaders import BSHTMLLoader, DirectoryLoader, TextLoader
    from langchain_text_splitters import RecursiveCharacterTextSplitter
    from transformers import AutoTokenizer

    texts = {"loader_cls": TextLoader, "loader_kwargs": {"encoding": "utf-8"}}
    pages = {"loader_cls": BSHTMLLoader, "loader_kwargs": {"open_encoding": "utf-8"}}
    kinds = {"**/*.md": texts, "**/*.txt": texts, "**/*.html": pages}
    documents = [
        document
        for glob, how in kinds.items()
        for document in DirectoryLoader(str(folder), glob=glob, **how).load()
    ]
    splitter = RecursiveCharacterTextSplitter.from_huggingface_tokenizer(
        AutoTokenizer.from_pretrained(protocol.model_folder()),
        chunk_size=CHUNK_TOKENS,
        chunk_overlap=OVERLAP_TOKENS,
    )
    return splitter.split_documents(documents)


if __name__ == "__main__":
    main(LangChain())
