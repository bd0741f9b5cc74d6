"""A cross-encoder: reads a question and a text together, and says how well the text answers.

Slower than comparing vectors by orders of magnitude, and better at it: for the best few. Any
model that sentence-transformers loads as a ``CrossEncoder`` with one output will do. As with
the embedding model, only safetensors weights are loaded and no code of the model is run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from corpus.embedding import named_folder
from corpus.encoders.transformer import load_cross_encoder
from corpus.errors import ModelUnavailable

_HEADS = ("ForSequenceClassification", "ForCausalLM", "ForConditionalGeneration")
_MOST_PARTS = 4  # of a text that is longer than the model takes; what follows is not read
_SLACK = 4  # tokens that a part may have more when it is read by itself


class CrossEncoderScorer:
    """Scores texts for a question. Loads nothing before it is told to; for one thread at a time.

    :param model: a folder, or a name on the model hub.
    """

    def __init__(self, model: str) -> None:
        self.name = model
        self._model: Any = None

    def load(self) -> None:
        """Load the model, where it is not loaded yet. Costs seconds.

        :raises ModelUnavailable: when it is not on this machine, cannot be loaded, or is none.
        """
        if self._model is not None:
            return
        folder = named_folder(self.name)
        _check_head(folder)
        model = load_cross_encoder(folder)
        if model.num_labels != 1:
            raise ModelUnavailable(
                f"the model in {folder} has {model.num_labels} outputs; a reranker has one. Set "
                "retrieval.reranker to a cross-encoder for ranking"
            )
        self._model = model

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers, as a logit: comparable within one question only.

        A text that is too long to be read at once counts as its best part does, of the first
        four; of a question the first half of what the model takes is read.
        """
        self.load()
        question, room = self._fitted(question)
        parts = [list(self._parts(text, room)) for text in texts]
        pairs = [(question, part) for some in parts for part in some]
        scores = iter(
            self._model.predict(pairs, batch_size=len(pairs) or 1, show_progress_bar=False).tolist()
        )
        return [max(next(scores) for _ in some) for some in parts]

    def _fitted(self, question: str) -> tuple[str, int]:
        """The question as it is read, and the tokens that it leaves for a text."""
        tokenizer = self._model.tokenizer
        limit = self._model.max_seq_length - tokenizer.num_special_tokens_to_add(pair=True)
        offsets = self._offsets(question)
        if len(offsets) > limit // 2:
            offsets = offsets[: max(1, limit // 2)]
            question = question[: offsets[-1][1]]
        return question, max(1, limit - len(offsets))

    def _parts(self, text: str, room: int) -> Iterator[str]:
        """A text in parts that are read whole; as a rule there is one."""
        offsets = self._offsets(text)
        if len(offsets) <= room:
            yield text
            return
        step = max(1, room - _SLACK)
        for first in range(0, min(len(offsets), _MOST_PARTS * step), step):
            within = offsets[first : first + step]
            yield text[within[0][0] : within[-1][1]]

    def _offsets(self, text: str) -> list[tuple[int, int]]:
        encoding = self._model.tokenizer(
            text,
            add_special_tokens=False,
            return_offsets_mapping=True,
            truncation=False,
            verbose=False,
        )
        offsets: list[tuple[int, int]] = encoding["offset_mapping"]
        return offsets


def _check_head(folder: Path) -> None:
    """Refuse a model that would be given a head of random numbers."""
    try:
        named = json.loads((folder / "config.json").read_text(encoding="utf-8"))["architectures"]
        architecture = str(named[0])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelUnavailable(
            f"the model in {folder} does not say what it is (config.json: {error}); set "
            "retrieval.reranker to a cross-encoder"
        ) from error
    if not architecture.endswith(_HEADS):
        raise ModelUnavailable(
            f"the model in {folder} is a {architecture}, which has no output to rank by; set "
            "retrieval.reranker to a cross-encoder"
        )
