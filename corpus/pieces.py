"""Token ids of texts, put together from those of what stands between two spaces.

A tokenizer spends most of its time on words that it has seen before. Where it splits a text at
spaces first, and takes no notice of what stands on their other side, each piece has to be made
into tokens only once, however many texts it stands in: counting sentences, cutting chunks and
embedding these take half of the time that they do with every text by itself (docs/log.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import AddedToken, Encoding, Tokenizer

_PIECE = re.compile(r"[^ \t\n\r]+")
"""Other white space does not split for every tokenizer: BERT's drops a form feed, and reads the
words around it as one."""

_PARTS = re.compile("[A-Za-z0-9]+|[!-~]")
"""Of a plain piece: its words, and its signs one by one."""

_PLAIN = "".join(map(chr, range(ord("!"), ord("~") + 1)))

_MOST = 1 << 19
"""Characters of the pieces that are remembered, each counted as :data:`_EACH` more; some 10 MB."""

_EACH = 8


class Pieces:
    """A tokenizer that splits at spaces. May be shared between threads."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer, self._model = tokenizer, tokenizer.model
        self._is_plain = _plain(tokenizer).fullmatch
        self._is_lowered = tokenizer.normalizer is not None and tokenizer.normalizer.lowercase
        self._known = _Known(self._made)
        self._opening, self._closing = _around(tokenizer.encode("a"))

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """What the model reads of each text, special tokens included; none is cut."""
        known = self._known
        found = [
            [
                *self._opening,
                *chain.from_iterable(map(known.__getitem__, _PIECE.findall(text))),
                *self._closing,
            ]
            for text in texts
        ]
        if known.size > _MOST:
            self._known = _Known(self._made)
        return found

    def _made(self, piece: str) -> list[int]:
        """The ids of a piece."""
        if not self._is_plain(piece):
            ids: list[int] = self._tokenizer.encode(piece, add_special_tokens=False).ids
            return ids
        parts = _PARTS.findall(piece.lower() if self._is_lowered else piece)
        return [token.id for part in parts for token in self._model.tokenize(part)]


class _Known(dict[str, list[int]]):
    """The ids of pieces, made when one is first looked for."""

    def __init__(self, made: Callable[[str], list[int]]) -> None:
        super().__init__()
        self._made = made
        self.size = 0  # see _MOST

    def __missing__(self, piece: str) -> list[int]:
        ids = self[piece] = self._made(piece)
        self.size += len(piece) + _EACH
        return ids


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


def _plain(tokenizer: Tokenizer) -> re.Pattern[str]:
    """What is plain ASCII, and in which no added token can begin."""
    added = list(_added(tokenizer))
    if any(one.normalized for one in added):  # these are looked for in what became of a text
        return re.compile("(?!)")
    begins = {one.content[0] for one in added}
    return re.compile(f"[{re.escape(''.join(c for c in _PLAIN if c not in begins))}]+")


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
