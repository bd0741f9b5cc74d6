"""The packaged model: its vectors, the texts it refuses, and what its identity hangs on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from corpus.embedding import identify, model_folder
from corpus.encoders.transformer import SentenceTransformerEncoder
from corpus.errors import ModelUnavailable
from corpus.settings import EmbeddingSettings


@pytest.fixture(scope="module")
def encoder() -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder(EmbeddingSettings(), threads=1)


def test_rows_are_unit_and_do_not_hang_on_their_batch(encoder: SentenceTransformerEncoder) -> None:
    texts = ["Leave is 25 days a year.", "A cat.", "Water boils at 100 degrees. " * 20]

    together = encoder.encode_documents(texts)
    alone = np.stack([encoder.encode_documents([text])[0] for text in texts])

    assert together.shape == (3, encoder.fingerprint.dim) == (3, 384)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert np.sum(together * alone, axis=1).min() > 0.999


def test_texts_that_mean_the_same_are_nearer_than_others(
    encoder: SentenceTransformerEncoder,
) -> None:
    documents = encoder.encode_documents(
        ["Employees are entitled to 25 days of vacation.", "The printer is on the second floor."]
    )

    leave, printer = documents @ encoder.encode_query("How much annual leave do I get?")

    assert leave > printer + 0.2


def test_a_text_that_the_model_would_cut_is_refused(encoder: SentenceTransformerEncoder) -> None:
    with pytest.raises(ValueError, match="the model takes 256"):
        encoder.encode_documents(["fits", "word " * 400])


def test_the_identity_is_known_without_the_model_and_hangs_on_how_it_is_used() -> None:
    plain = identify(EmbeddingSettings())

    assert plain.id == identify(EmbeddingSettings()).id
    assert plain.id != identify(EmbeddingSettings(query_prefix="query: ")).id
    assert (plain.dim, plain.max_tokens) == (384, 256)


def test_other_weights_under_the_same_name_are_another_space(tmp_path: Path) -> None:
    ours = model_folder(EmbeddingSettings().model)
    for file in ours.rglob("*"):
        if file.is_file():
            copy = tmp_path / file.relative_to(ours)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(file.read_bytes())
    same = identify(EmbeddingSettings(model=str(tmp_path)))
    weights = bytearray((tmp_path / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(weights)

    assert identify(EmbeddingSettings(model=str(tmp_path))).id != same.id


@pytest.mark.parametrize("model", ["/no/such/folder", "no such model"])
def test_a_model_that_is_not_here_is_told_by_name(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailable, match=model):
        identify(EmbeddingSettings(model=model))


def test_a_folder_without_weights_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"model\.safetensors and no tokenizer\.json"):
        identify(EmbeddingSettings(model=str(tmp_path)))
