"""The packaged model: its vectors, the texts it refuses, and what its identity hangs on."""

from __future__ import annotations

import shutil
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


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder with the files of the packaged model."""
    return Path(shutil.copytree(model_folder(EmbeddingSettings().model), tmp_path / "model"))


def test_other_weights_under_the_same_name_are_another_space(copied: Path) -> None:
    same = identify(EmbeddingSettings(model=str(copied)))
    flip_last_bit(copied / "model.safetensors")

    assert identify(EmbeddingSettings(model=str(copied))).id != same.id


def test_weights_that_are_not_those_that_named_the_space_are_not_loaded(copied: Path) -> None:
    encoder = SentenceTransformerEncoder(EmbeddingSettings(model=str(copied)), threads=1)
    flip_last_bit(copied / "model.safetensors")

    with pytest.raises(ModelUnavailable, match=r"model\.safetensors has sha256 .*, expected"):
        encoder.encode_query("Anything.")
    (copied / "model.safetensors").unlink()
    with pytest.raises(ModelUnavailable, match=r"model\.safetensors cannot be read"):
        encoder.encode_query("Anything.")


def flip_last_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


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
