"""A model to talk to for tests: a tokenizer trained on the spot, a template, and no weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from corpus.settings import GenerationSettings
from corpus.types import Chunk, Scores
from rag.answers import Passage, Sentence
from rag.prompt.files import ModelFiles
from rag.prompt.model import PromptModel

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}" + CHATML
)
SPECIAL = ("<s>", "</s>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")


@cache
def tokenizer_data(specials: tuple[str, ...] = SPECIAL) -> bytes:
    """A byte-level BPE: any text makes a round trip."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(["the question is answered from the passages that are given"], trainer)
    return bpe.to_str().encode()


def files(template: str = CHATML, **config: Any) -> ModelFiles:
    return ModelFiles(
        name="small",
        tokenizer=tokenizer_data(),
        tokenizer_config={"bos_token": "<s>", "eos_token": "</s>"},
        generation_config=config.pop("generation", {}),
        config={"max_position_embeddings": 4096, **config},
        chat_template=template,
    )


def folder_of(folder: Path, template: str = CHATML) -> Path:
    """The same model as transformers saves one."""
    made = files(template)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_bytes(made.tokenizer)
    (folder / "tokenizer_config.json").write_text(json.dumps(made.tokenizer_config))
    (folder / "config.json").write_text(json.dumps(made.config))
    (folder / "chat_template.jinja").write_text(template)
    return folder


def model(template: str = CHATML, **settings: Any) -> PromptModel:
    return PromptModel(files(template), GenerationSettings(**settings))


def passage(number: int, sentences: Sequence[str], title: str = "Leave") -> Passage:
    text = " ".join(sentences)
    spans, at = [], 0
    for sentence in sentences:
        spans.append(Sentence(at, at + len(sentence), sentence))
        at += len(sentence) + 1
    chunk = Chunk(number, f"d{number}.md", title, "md", 0, len(text), text, ("Rules",))
    return Passage(number, chunk, 1.0, Scores(0.5, 1.0, 1.0), tuple(spans))
