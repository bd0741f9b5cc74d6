"""The identity of a vector space: which model, which files, used how.

Two spaces of the same dimension look alike and mean nothing to each other, so a snapshot
records the identity of the one it lives in, and the vectors of a few fixed sentences. The
identity is compared whenever a store is opened; the sentences, whenever a model is loaded.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from corpus.errors import EmbeddingMismatch
from corpus.types import Vectors

PROBES = (
    "The committee meets on the first Tuesday of each month.",
    "SELECT name FROM users WHERE id = 42;",
    "Wie viele Urlaubstage habe ich im Jahr?",
    "Water boils at 100 degrees Celsius at sea level.",
)

_MIN_PROBE_COSINE = 0.98
"""Below this, the model does not place the probes where the snapshot has them. Another
processor or an int8 form of the same weights stays above .98; another model does not."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a vector space is. Equal fingerprints, comparable vectors."""

    model: str
    files: Mapping[str, str]  # name -> sha256 of weights, tokenizer and configuration
    pooling: str
    normalised: bool
    query_prefix: str
    document_prefix: str
    dim: int
    max_tokens: int  # special tokens included

    @property
    def id(self) -> str:
        """A hash of all of it, 16 hex digits."""
        data = json.dumps(asdict(self), sort_keys=True).encode()
        return hashlib.sha256(data).hexdigest()[:16]

    def __str__(self) -> str:
        return f"{self.model} ({self.dim} dimensions, fingerprint {self.id})"


def check_same(found: Fingerprint, expected: Fingerprint) -> None:
    """Refuse a snapshot of another vector space.

    :raises EmbeddingMismatch: when the two differ.
    """
    if found.id != expected.id:
        raise EmbeddingMismatch(found=str(found), expected=str(expected))


def check_probes(recorded: str, computed: Vectors, space: Fingerprint) -> None:
    """Refuse a model that does not embed the probes as the snapshot's model did.

    :param recorded: what :func:`encode_probes` gave when the snapshot was made.
    :param computed: unit vectors of :data:`PROBES` by the loaded model.
    :raises EmbeddingMismatch: when one of them has moved.
    """
    import numpy as np

    known = np.frombuffer(base64.b64decode(recorded), np.float16).astype(np.float32)
    if known.size != computed.size:
        raise EmbeddingMismatch(found=str(space), expected=f"{computed.shape[1]} dimensions")
    cosines = np.sum(known.reshape(computed.shape) * computed, axis=1)
    if cosines.min() < _MIN_PROBE_COSINE:
        raise EmbeddingMismatch(
            found=str(space),
            expected=f"a model whose probe sentences lie elsewhere (cosine {cosines.min():.3f})",
        )


def encode_probes(vectors: Vectors) -> str:
    """The probe vectors as text: half precision, base64."""
    return base64.b64encode(vectors.astype("float16").tobytes()).decode()
