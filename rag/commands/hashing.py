"""An encoder that needs no model: texts that share words lie near each other.

Each word adds or takes one at a place that its hash names (feature hashing, Weinberger et al.,
"Feature Hashing for Large Scale Multitask Learning", 2009). Good enough to find a text by its
words, and the same on every machine. For trying the store out, never for answering.
"""

from __future__ import annotations

import hashlib
import re

import numpy as np

from corpus.fingerprint import Fingerprint
from corpus.types import ChunkVectors, Vectors

_DIM = 64


class HashingTokens:
    """Counts words and marks."""

    limit = 64

    def count(self, texts: list[str]) -> list[int]:
        """Words and marks of each text."""
        return [len(self.boundaries(text)) for text in texts]

    def count_chunk(self, text: str) -> int:
        """The same of one text."""
        return self.count([text])[0]

    def boundaries(self, text: str) -> list[tuple[int, int]]:
        """Where each word or mark begins and ends."""
        return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]

    def pieces(self, text: str) -> tuple[int, int]:
        """Words and marks; none is unknown."""
        return len(self.boundaries(text)), 0


class HashingEncoder:
    """See the module."""

    makes_windows = False

    def __init__(self) -> None:
        self.tokens = HashingTokens()
        self.fingerprint = Fingerprint(
            model="feature-hashing",
            files={},
            pooling="sum",
            normalised=True,
            query_prefix="",
            document_prefix="",
            dim=_DIM,
            max_tokens=self.tokens.limit,
        )

    def encode_documents(self, texts: list[str]) -> Vectors:
        """Embed chunks. float32 (len(texts), dim), unit rows."""
        vectors = np.array([self.encode_query(text) for text in texts], np.float32)
        return vectors.reshape(len(texts), _DIM)

    def encode_chunks(self, texts: list[str]) -> list[ChunkVectors]:
        """The same; there are no windows."""
        return [vector[None] for vector in self.encode_documents(texts)]

    def encode_query(self, text: str) -> Vectors:
        """Embed a text. float32 (dim,), unit."""
        vector = np.full(_DIM, 1e-3, np.float32)
        for word in re.findall(r"\w+", text.lower()):
            number = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())
            vector[(number >> 1) % _DIM] += 1.0 if number & 1 else -1.0
        unit: Vectors = vector / np.float32(np.linalg.norm(vector))
        return unit
