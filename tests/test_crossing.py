"""A cross-encoder from its files: its scores, what is too long for it, what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpus.embedding import model_folder
from corpus.encoders.crossing import CrossEncoderScorer
from corpus.errors import ModelUnavailable
from tests.tiny_cross_encoder import CONTEXT, tiny_cross_encoder

QUESTION = "How is a model served?"
TEXTS = ["A model is served over HTTP.", "Temperature 0 is greedy.", "It is.", "A token. " * 5]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_cross_encoder(tmp_path_factory.mktemp("cross"), seed=2)


@pytest.fixture(scope="module")
def scorer(folder: Path) -> CrossEncoderScorer:
    return CrossEncoderScorer(str(folder))


def logits(folder: Path, question: str, texts: Sequence[str]) -> list[float]:
    """What the model says of each pair, read by itself, without sentence-transformers."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        return [
            float(model(**tokenizer(question, text, return_tensors="pt")).logits[0, 0])
            for text in texts
        ]


def test_scores_are_the_logits_of_each_pair_whatever_stands_in_its_batch(
    folder: Path, scorer: CrossEncoderScorer
) -> None:
    expected = logits(folder, QUESTION, TEXTS)

    assert len(set(np.round(expected, 3))) == len(TEXTS)
    np.testing.assert_allclose(scorer.score(QUESTION, TEXTS), expected, atol=1e-5)
    alone = [scorer.score(QUESTION, [text])[0] for text in TEXTS]
    np.testing.assert_allclose(alone, expected, atol=1e-5)
    assert scorer.score(QUESTION, []) == []


def test_a_text_that_is_too_long_counts_as_its_best_part_and_short_ones_are_untouched(
    folder: Path, scorer: CrossEncoderScorer
) -> None:
    short, many = "A model is served over HTTP.", "temperature " * 60
    room = CONTEXT - 3 - 6 - 4  # less special tokens, the question's, and some to spare
    texts = [f"{many}{short}", f"{short} {many}"]
    parts = [[f"{'temperature ' * room}", f"{'temperature ' * (60 - room)}{short}"]]
    parts += [[f"{short} {'temperature ' * (room - 7)}", f"{'temperature ' * (67 - room)}"]]

    *scores, untouched = scorer.score(QUESTION, [*texts, short])

    read = [logits(folder, QUESTION, some) for some in parts]
    assert scores == pytest.approx([max(one) for one in read], abs=1e-5)
    assert {int(np.argmax(one)) for one in read} == {0, 1}  # neither always the first part
    assert untouched == pytest.approx(logits(folder, QUESTION, [short])[0], abs=1e-5)


def test_a_question_that_is_too_long_leaves_room_for_the_text(scorer: CrossEncoderScorer) -> None:
    question = "model " * 500

    one, other = scorer.score(question, TEXTS[:2])

    assert one != pytest.approx(other)
    assert scorer.score("model " * 30, TEXTS[:2]) == pytest.approx([one, other], abs=1e-5)


def test_a_text_without_words_gets_a_score(scorer: CrossEncoderScorer) -> None:
    assert np.isfinite(scorer.score("", ["", "\n", "😀"])).all()


def test_the_model_says_nothing_about_what_becomes_of_its_logits(
    folder: Path, tmp_path: Path, scorer: CrossEncoderScorer
) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["sentence_transformers"] = {"activation_fn": "torch.nn.modules.activation.Tanh"}
    config["auto_map"] = {"AutoModelForSequenceClassification": "evil.Model"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nModel = 1\n")

    scores = CrossEncoderScorer(str(tmp_path)).score(QUESTION, TEXTS)

    assert max(map(abs, scores)) > 1
    assert scores == pytest.approx(scorer.score(QUESTION, TEXTS))
    assert not (tmp_path / "ran").exists()


def test_weights_that_would_have_to_be_unpickled_are_not_loaded(tmp_path: Path) -> None:
    unsafe = tiny_cross_encoder(tmp_path / "unsafe", safe=False)
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        CrossEncoderScorer(str(unsafe)).load()


def test_a_model_that_ranks_nothing_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="has 3 outputs; a reranker has one"):
        CrossEncoderScorer(str(tiny_cross_encoder(tmp_path / "three", labels=3))).load()
    embedding = model_folder("all-MiniLM-L6-v2")
    with pytest.raises(ModelUnavailable, match="is a BertModel, which has no output to rank by"):
        CrossEncoderScorer(str(embedding)).load()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelUnavailable, match="does not say what it is"):
        CrossEncoderScorer(str(tmp_path / "empty")).load()


@pytest.mark.parametrize("model", ["/no/such/folder", "no such model"])
def test_a_model_that_is_not_here_is_told_by_name(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailable, match=model):
        CrossEncoderScorer(model).load()


def test_a_scorer_that_is_not_used_loads_nothing() -> None:
    program = (
        "import sys\nfrom corpus.encoders.crossing import CrossEncoderScorer\n"
        "CrossEncoderScorer('somewhere')\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"torch", "transformers", "sentence_transformers"} & set(loaded.stdout.split())
