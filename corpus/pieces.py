"""Token ids of texts, put together from those of what stands between two spaces.

A tokenizer spends most of its time on words that it has seen before. Where it splits a text at
spaces first, and takes no notice of what stands on their other side, each piece has to be made
into tokens only once, however many texts it stands in: counting sentences, cutting chunks and
embedding these take half of the time that they do with every text by itself (docs/log.md).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import AddedToken, Encoding, Tokenizer

_PIECE = re.compile(r"[^ \t\n\r]+")
"""Other white space does not split for every tokenizer: BERT's drops a form feed, and reads the
words around it as one."""

_MOST = 1 << 19
"""Characters of the pieces that are remembered, each counted as :data:`_EACH` more; some 10 MB."""

_EACH = 8


class Pieces:
    """A tokenizer that splits at spaces. May be shared between threads."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._known, self._size = dict[str, list[int]](), 0
        self._opening, self._closing = _around(tokenizer.encode("a"))

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """What the model reads of each text, special tokens included; none is cut."""
        divided = [_PIECE.findall(text) for text in texts]
        known = self._knowing(set(chain.from_iterable(divided)))
        return [
            [*self._opening, *chain.from_iterable(map(known.__getitem__, pieces)), *self._closing]
            for pieces in divided
        ]

    def _knowing(self, pieces: Collection[str]) -> dict[str, list[int]]:
        """The ids of these pieces, and of others."""
        known = self._known
        new = [piece for piece in pieces if piece not in known]
        if not new:
            return known
        if self._size + _size(new) > _MOST:
            known, new, self._size = {}, list(pieces), 0
        self._size += _size(new)
        encodings = self._tokenizer.encode_batch_fast(new, add_special_tokens=False)
        known.update((piece, one.ids) for piece, one in zip(new, encodings, strict=True))
        self._known = known
        return known


def _size(pieces: Collection[str]) -> int:
    return sum(map(len, pieces)) + _EACH * len(pieces)


def splits_at_spaces(tokenizer: Tokenizer) -> bool:
    """Whether a text has the tokens of its pieces, one after the other. BERT's tokenizers do."""
    from tokenizers import models, normalizers, pre_tokenizers, processors

    return (
        isinstance(tokenizer.normalizer, (normalizers.BertNormalizer, type(None)))
        and isinstance(tokenizer.pre_tokenizer, pre_tokenizers.BertPreTokenizer)
        and isinstance(tokenizer.model, models.WordPiece)
        and isinstance(
            tokenizer.post_processor,
            (processors.BertProcessing, processors.TemplateProcessing, type(None)),
        )
        and all(one.content.split() == [one.content] for one in _added(tokenizer))
        and _is_between_specials(tokenizer)
    )


def _added(tokenizer: Tokenizer) -> Iterable[AddedToken]:
    """Tokens that are found in a text before it is split."""
    added: dict[int, AddedToken] = tokenizer.get_added_tokens_decoder()
    return added.values()


def _is_between_specials(tokenizer: Tokenizer) -> bool:
    """Whether a text stands once in what the model reads, with nothing but specials around it."""
    alone: Encoding = tokenizer.encode("a", add_special_tokens=False)
    before, after = _around(whole := tokenizer.encode("a"))
    return [*before, *alone.ids, *after] == whole.ids


def _around(encoding: Encoding) -> tuple[list[int], list[int]]:
    """The special tokens before and after a text."""
    first = encoding.special_tokens_mask.index(0)
    last = len(encoding) - encoding.special_tokens_mask[::-1].index(0)
    ids: list[int] = encoding.ids
    return ids[:first], ids[last:]
