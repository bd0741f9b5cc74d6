"""How well an embedding model can read a text, told by its tokenizer alone.

A model that has never seen a language has no tokens for its words: it reads them letter by
letter, or as one token that stands for anything unknown, and where it then puts a question says
little about what is asked. An English model takes 1.2 tokens for an English word, 2.3 for a
German one, 5 to 6 for a Greek, Arabic or Russian one, and knows no Thai word at all. Search
trusts vectors by this share and words for the rest (docs/log.md has what it gains).

Source of the measure: Rust et al., "How Good is Your Tokenizer?", 2021, which finds that the
tokens a word takes tell how well a model does in a language.
"""

from __future__ import annotations

from corpus import scripts
from corpus.embedding import Tokens

_FLUENT, _ILLEGIBLE = 2.0, 4.0
"""Tokens a word, up to which a model reads as it was trained to, and from which it spells."""

_LETTERS_A_WORD = 2
"""Of a script without spaces: most words of Chinese are two characters."""


def legibility(text: str, tokens: Tokens) -> float:
    """How far the model can read a text, from 0, not at all, to 1."""
    pieces, unknown = tokens.pieces(text)
    if not pieces:
        return 1.0
    unspaced = sum(map(len, scripts.unspaced(text)))
    words = max(1.0, len(scripts.words(text)) + unspaced / _LETTERS_A_WORD)
    spelled = (pieces / words - _FLUENT) / (_ILLEGIBLE - _FLUENT)
    return (1 - min(1.0, max(0.0, spelled))) * (1 - unknown / pieces)
