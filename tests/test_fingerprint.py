"""A vector space is known by everything that makes it, and by where it puts a few sentences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from corpus.errors import EmbeddingMismatch
from corpus.fingerprint import PROBES, check_probes, check_same, encode_probes
from corpus.types import Vectors
from tests.conftest import WordHashEncoder


@pytest.mark.parametrize(
    "change",
    [
        {"model": "other"},
        {"files": {"words": "other"}},
        {"files": {}},
        {"pooling": "mean"},
        {"normalised": False},
        {"query_prefix": "query: "},
        {"document_prefix": "passage: "},
        {"dim": 65},
        {"max_tokens": 65},
    ],
)
def test_another_space_is_refused_whatever_differs(
    encoder: WordHashEncoder, change: dict[str, object]
) -> None:
    here = encoder.fingerprint
    other = replace(here, **change)  # type: ignore[arg-type]  # fields of it

    with pytest.raises(EmbeddingMismatch, match=rf"{other.id}.*{here.id}"):
        check_same(found=other, expected=here)


def test_the_same_space_is_the_same_in_any_order_of_its_files(encoder: WordHashEncoder) -> None:
    one = replace(encoder.fingerprint, files={"a": "1", "b": "2"})
    other = replace(encoder.fingerprint, files={"b": "2", "a": "1"})

    check_same(found=one, expected=other)


def test_a_model_that_puts_the_probes_where_they_were_is_taken(encoder: WordHashEncoder) -> None:
    vectors = encoder.encode_documents(list(PROBES))
    check_probes(encode_probes(vectors), vectors, encoder.fingerprint)

    noise = np.random.default_rng(1).normal(scale=0.01, size=vectors.shape)
    nearly = (vectors + noise).astype(np.float32)  # as another processor's arithmetic
    check_probes(encode_probes(vectors), unit(nearly), encoder.fingerprint)


def test_a_model_that_moves_one_probe_is_refused(encoder: WordHashEncoder) -> None:
    vectors = encoder.encode_documents(list(PROBES))
    for moved in range(len(PROBES)):
        other = vectors.copy()
        other[moved] = vectors[moved - 1]
        with pytest.raises(EmbeddingMismatch):
            check_probes(encode_probes(vectors), other, encoder.fingerprint)


def test_other_weights_or_another_dimension_are_refused(encoder: WordHashEncoder) -> None:
    recorded = encode_probes(encoder.encode_documents(list(PROBES)))
    for other in (WordHashEncoder("other"), WordHashEncoder(dim=32), WordHashEncoder(dim=128)):
        with pytest.raises(EmbeddingMismatch):
            check_probes(recorded, other.encode_documents(list(PROBES)), other.fingerprint)


def unit(vectors: Vectors) -> Vectors:
    rows: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return rows
