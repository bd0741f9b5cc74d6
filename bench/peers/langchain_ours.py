"""LangChain given our encoder: what is left of a difference when the model runs equally fast.

The same as :mod:`bench.peers.langchain`, with a class of its own for embeddings, as anybody could
write one: documents as this project's ingest embeds them, questions as its service does.
"""

from __future__ import annotations

from langchain_core.embeddings import Embeddings

from bench.peers.langchain import LangChain
from bench.peers.protocol import main
from corpus.encoders.documents import DocumentEncoder
from corpus.encoders.questions import QuestionEncoder
from corpus.settings import load


class OurEmbeddings(Embeddings):
    """This project's encoders as LangChain asks for them."""

    def __init__(self) -> None:
        settings = load({}).embedding
        self._documents = DocumentEncoder(settings)
        self._questions = QuestionEncoder(settings)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Texts within the model's limit, which the splitter keeps."""
        vectors: list[list[float]] = self._documents.encode_documents(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """One question."""
        vector: list[float] = self._questions.encode_query(text).tolist()
        return vector


class LangChainOurs(LangChain):
    """LangChain with our encoders."""

    def embeddings(self) -> Embeddings:
        """Ours."""
        return OurEmbeddings()


if __name__ == "__main__":
    main(LangChainOurs())
