"""A cross-encoder for tests: real files, a real tokenizer, random weights.

A BERT of two layers that reads a question and a text and gives one number, the same one each
time. It knows few words, and the letters of all others.
"""

from __future__ import annotations

from pathlib import Path

CONTEXT = 64
HIDDEN, LAYERS, HEADS = 32, 2, 2
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,?!:"
WORDS = [
    "a",
    "how",
    "http",
    "is",
    "it",
    "model",
    "over",
    "served",
    "temperature",
    "greedy",
    "token",
]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def tiny_cross_encoder(folder: Path, *, labels: int = 1, safe: bool = True, seed: int = 0) -> Path:
    """Write a model into a folder that sentence-transformers reads as a ``CrossEncoder``.

    :param labels: outputs of its head.
    :param safe: write safetensors; else a file that would have to be unpickled.
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = list(dict.fromkeys([*SPECIAL, *LETTERS, *(f"##{one}" for one in LETTERS), *WORDS]))
    names = {word: number for number, word in enumerate(vocabulary)}
    tokenizer = BertTokenizerFast(vocab=names, model_max_length=CONTEXT)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=HIDDEN,
        intermediate_size=2 * HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=CONTEXT,
        num_labels=labels,
        initializer_range=0.5,  # so that texts differ in their scores by much
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BertForSequenceClassification(config).eval()
    if safe:
        model.save_pretrained(folder)
    else:
        config.architectures = ["BertForSequenceClassification"]
        config.save_pretrained(folder)
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    tokenizer.save_pretrained(folder)
    return folder
