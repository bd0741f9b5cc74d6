"""The model's own tokenizer, with control tokens that only its chat template can write.

A tokenizer finds control tokens (``<|im_start|>``, ``</s>``) by their text, wherever it
comes from. Here each control token is given a name that nobody can know, made anew at
every start, in a copy of the tokenizer; in what the template wrote the texts of control
tokens are replaced by these names, in everything else they stay plain text. Then the whole
prompt is encoded once. So

* the ids are those that the tokenizer itself gives for the rendered prompt, also where one
  part meets the next, as long as no text outside the template holds a control token's text;
* no such text, in a document, a title, a name or a question, becomes a control token,
  however it is split, joined, nested or normalised.

A control token is every added token of the tokenizer that is marked special or that is more
than a word or white space: ``<think>`` is one though few tokenizers mark it, the runs of
spaces that some tokenizers add are none.

Only ``tokenizer.json`` is read: it is data. Tokenizers that exist as program code or as a
SentencePiece file alone are refused.
"""

from __future__ import annotations

import json
import re
import secrets
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tokenizers import Encoding, Tokenizer

from corpus.errors import ModelUnusable
from rag.prompt.types import TEMPLATE, Message, Prompt, Rendered

_WORD_OR_SPACE = re.compile(r"[\w\s▁]*")


class ModelTokenizer:
    """Encodes prompts for one model. Safe to share between threads.

    :param data: what ``tokenizer.json`` holds.
    :param config: what ``tokenizer_config.json`` holds: whether bos is added, and which it is.
    :raises ModelUnusable: when the tokenizer cannot be read.
    """

    def __init__(self, data: bytes, config: Mapping[str, Any]) -> None:
        try:
            described = json.loads(data)
            self._plain = Tokenizer.from_str(data.decode())
        except Exception as error:  # noqa: BLE001  # the library raises bare Exceptions
            raise ModelUnusable(f"tokenizer.json cannot be read: {error}") from None
        self.controls = {
            token["content"]: one
            for token in described["added_tokens"]
            if _is_control(token) and (one := self.id_of(token["content"])) is not None
        }
        self.special = frozenset(
            token["content"] for token in described["added_tokens"] if token["special"]
        )
        self._names = _secret_names(self.controls)
        # What no vocabulary knows becomes the unknown token, whoever wrote it.
        self._control_ids = frozenset(self.controls.values()) - {_unknown_id(described["model"])}
        _rename(described, self._names)
        self._guarded = Tokenizer.from_str(json.dumps(described))
        by_length = sorted(self.controls, key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, by_length)) or r"(?!)")
        self.bos = _token(config, "bos_token")
        self.eos = _token(config, "eos_token")
        self.adds_bos = self._adds_bos(config)

    def encode(self, messages: Sequence[Message], rendered: Rendered) -> Prompt:
        """The tokens of a rendered conversation. bos stands first at most once."""
        guarded, moves, written = self._guard(rendered)
        (encoding,) = self._guarded.encode_batch_fast([guarded], add_special_tokens=False)
        ids, first = list(encoding.ids), []
        bos_id = self.controls.get(self.bos or "")
        if self.adds_bos and bos_id is not None and ids[:1] != [bos_id]:
            ids, first, written = [bos_id, *ids], [(0, 0)], written + 1
        control = [at for at, one in enumerate(ids) if one in self._control_ids]
        if len(control) != written:
            raise ModelUnusable(
                f"the prompt came to {len(control)} control tokens where the template wrote "
                f"{written}; this tokenizer cannot be used safely"
            )

        def locate() -> tuple[tuple[int, int], ...]:
            placed = self._guarded.encode(guarded, add_special_tokens=False)
            return (*first, *(moves.back(span) for span in placed.offsets))

        return Prompt(tuple(messages), rendered, tuple(ids), tuple(control), locate)

    def encode_texts(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of texts that nobody vouches for: none of them is a control token."""
        encodings = self._guarded.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def own(self, text: str) -> Encoding:
        """What the tokenizer itself makes of a text, control tokens included."""
        return self._plain.encode(text, add_special_tokens=False)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, control tokens included."""
        return self._plain.decode(list(ids), skip_special_tokens=False)

    def pieces(self, ids: Sequence[int]) -> tuple[str, ...]:
        """Each token as the vocabulary writes it."""
        return tuple(self._plain.id_to_token(one) or "" for one in ids)

    def id_of(self, content: str) -> int | None:
        """The id of a token; None where there is none of that text."""
        found: int | None = self._plain.token_to_id(content)
        return found

    def controls_in(self, text: str) -> list[str]:
        """The control tokens that a text holds, in order."""
        return self._control.findall(text)

    def leading_control(self, text: str) -> str | None:
        """The control token that a text begins with, if it does."""
        found = self._control.match(text)
        return found.group() if found else None

    def _guard(self, rendered: Rendered) -> tuple[str, _Moves, int]:
        """The text with the template's control tokens under their secret names."""
        moves, written, pieces = _Moves(), 0, []
        for part in rendered.parts:
            piece = rendered.text[part.start : part.end]
            if part.name == TEMPLATE:
                for found in self._control.finditer(piece):
                    start = part.start + found.start()
                    moves.add(start, part.start + found.end(), len(self._names[found.group()]))
                    written += self.controls[found.group()] in self._control_ids
                piece = self._control.sub(lambda found: self._names[found.group()], piece)
            pieces.append(piece)
        return "".join(pieces), moves, written

    def _adds_bos(self, config: Mapping[str, Any]) -> bool:
        """Whether this tokenizer puts bos before what it encodes, as its own files say."""
        if isinstance(config.get("add_bos_token"), bool):
            return bool(config["add_bos_token"])
        first = self._plain.encode("", add_special_tokens=True).ids[:1]
        return bool(first) and first[0] == self.controls.get(self.bos or "")


class _Moves:
    """From offsets into a text with replacements to offsets into the text as it was."""

    def __init__(self) -> None:
        self._starts: list[int] = []  # of replacements, in the new text
        self._old: list[tuple[int, int]] = []  # their spans in the old text
        self._ends: list[int] = []  # their ends in the new text

    def add(self, start: int, end: int, length: int) -> None:
        """The span was replaced by something of that length; spans come in order."""
        shift = self._ends[-1] - self._old[-1][1] if self._old else 0
        self._starts.append(start + shift)
        self._ends.append(start + shift + length)
        self._old.append((start, end))

    def back(self, span: tuple[int, int]) -> tuple[int, int]:
        """Where a span of the new text was in the old one."""
        return self._back(span[0], at_end=False), self._back(span[1], at_end=True)

    def _back(self, offset: int, *, at_end: bool) -> int:
        row = bisect_right(self._starts, offset - at_end) - 1
        if row < 0:
            return offset
        if offset < self._ends[row]:
            return self._old[row][1 if at_end else 0]
        return self._old[row][1] + offset - self._ends[row]


def _is_control(token: Mapping[str, Any]) -> bool:
    return bool(token["special"]) or not _WORD_OR_SPACE.fullmatch(token["content"])


def _unknown_id(model: Mapping[str, Any]) -> int | None:
    if "unk_id" in model:
        return model["unk_id"]  # type: ignore[no-any-return]  # Unigram: a row of its vocabulary
    return model["vocab"].get(model.get("unk_token"))  # type: ignore[no-any-return]


def _secret_names(controls: Iterable[str]) -> dict[str, str]:
    """Names that survive every normaliser: lower-case letters and digits, all of one length."""
    secret = secrets.token_hex(16)
    return {content: f"zq{secret}{at:06d}zq" for at, content in enumerate(controls)}


def _rename(described: dict[str, Any], names: Mapping[str, str]) -> None:
    """Give the control tokens of a tokenizer their secret names, and keep their ids."""
    for token in described["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    model = described["model"]
    described["post_processor"] = described["truncation"] = described["padding"] = None
    vocab = model["vocab"]
    if isinstance(vocab, dict):
        model["vocab"] = {names.get(content, content): one for content, one in vocab.items()}
    else:
        model["vocab"] = [[names.get(content, content), score] for content, score in vocab]
    if isinstance(model.get("unk_token"), str):
        model["unk_token"] = names.get(model["unk_token"], model["unk_token"])
    if "merges" in model:
        model["merges"] = [merge for merge in model["merges"] if not _makes(merge, names)]


def _makes(merge: str | Sequence[str], names: Mapping[str, str]) -> bool:
    """Whether a merge makes, or is made from, a control token."""
    left, _, right = merge.partition(" ") if isinstance(merge, str) else (merge[0], "", merge[1])
    return not names.keys().isdisjoint((left, right, left + right))


def _token(config: Mapping[str, Any], name: str) -> str | None:
    """A named token of the configuration: text, or an object that holds it."""
    value = config.get(name)
    if isinstance(value, Mapping):
        value = value.get("content")
    return value if isinstance(value, str) and value else None
