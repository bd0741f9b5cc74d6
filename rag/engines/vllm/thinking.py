"""What a model says to itself, told apart from what it answers, while it streams.

A thought stands between two markers that the model's template knows. The text may be cut
anywhere: half a marker is held back until it is whole or can no longer be one, so the
thoughts and the answer are the same however the text arrives. A marker is found by its
characters: where a model's markers are special tokens, the server must be asked to write
them out. An answer that quotes a marker of its own model is taken for a thought.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from rag.answers import Thought

Pair = tuple[str, str]
"""What opens a thought and what closes it."""

_HARMONY = ("<|channel|>analysis<|message|>", "<|channel|>commentary<|message|>")
_FINAL = ("<|end|><|start|>assistant<|channel|>final<|message|>", "<|channel|>final<|message|>")
_FAMILIES: dict[str, tuple[Pair, ...]] = {
    "</think>": (("<think>", "</think>"),),
    "</seed:think>": (("<seed:think>", "</seed:think>"),),
    "</mm:think>": (("<mm:think>", "</mm:think>"),),
    "[/THINK]": (("[THINK]", "[/THINK]"),),
    "<channel|>": (("<|channel>thought", "<channel|>"),),
    "<|END_THINKING|>": (
        ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
        ("<|START_THINKING|>", "<|END_THINKING|><|START_TEXT|>"),
        ("<|START_THINKING|>", "<|END_THINKING|>"),
    ),
    "<|channel|>": tuple((opening, final) for opening in _HARMONY for final in _FINAL),
}


def pairs_in(template: str) -> tuple[Pair, ...]:
    """The thoughts that a model can have, by the markers that its chat template writes."""
    return tuple(
        pair
        for sign, pairs in _FAMILIES.items()
        if sign in template or any(opening in template for opening, _ in pairs)
        for pair in pairs
    )


def ends_inside(prompt: str, pairs: Iterable[Pair]) -> bool:
    """Whether a rendered prompt ends with an opened thought, so that the model goes on in it."""
    end = prompt.rstrip()
    return any(end.endswith(opening) for opening, _ in pairs)


class Thinking:
    """Splits one generated text into thoughts and answer.

    White space at the beginning of the answer or of a thought is dropped, and so is white
    space after a thought where the answer so far ends in some. A thought that is never
    closed lasts to the end. A closing marker outside a thought is dropped.

    :param inside: the prompt ended within a thought: the text begins with the rest of it.
    """

    def __init__(self, pairs: Sequence[Pair] = (("<think>", "</think>"),), *, inside: bool) -> None:
        self._closings: dict[str, list[str]] = {}
        for opening, closing in pairs:
            self._closings.setdefault(opening, []).append(closing)
        all_closings = [closing for _, closing in pairs]
        self._outside = _Markers([*self._closings, *all_closings])
        self._markers = _Markers(all_closings) if inside else self._outside
        self._inside = inside
        self._skips_space = True
        self._answer_ends_in_space = True
        self._held = ""

    def feed(self, text: str) -> list[str | Thought]:
        """Take more text.

        :return: what is certain by now, in order; no piece is empty.
        """
        self._held += text
        return list(self._pieces(last=False))

    def end(self) -> list[str | Thought]:
        """There is no more text: half a marker that was held back was none."""
        return list(self._pieces(last=True))

    def _pieces(self, *, last: bool) -> Iterator[str | Thought]:
        while True:
            half = len(self._held) if last else self._markers.half(self._held)
            marker = self._markers.find(self._held)
            if marker is None or marker.start() >= half:
                yield from self._say(self._held[:half])
                self._held = self._held[half:]
                return
            yield from self._say(self._held[: marker.start()])
            self._held = self._held[marker.end() :]
            self._pass(marker.group())

    def _say(self, text: str) -> Iterator[str | Thought]:
        if self._skips_space:
            text = text.lstrip()
        if not text:
            return
        self._skips_space = False
        if self._inside:
            yield Thought(text)
        else:
            self._answer_ends_in_space = text[-1].isspace()
            yield text

    def _pass(self, marker: str) -> None:
        """Go into a thought, or out of it."""
        self._inside = marker in self._closings
        self._markers = _Markers(self._closings[marker]) if self._inside else self._outside
        self._skips_space = self._inside or self._answer_ends_in_space


class _Markers:
    """Finds the first of several strings, the longest where two begin together."""

    def __init__(self, markers: Iterable[str]) -> None:
        self._markers = sorted({marker for marker in markers if marker}, key=len, reverse=True)
        self._pattern = (
            re.compile("|".join(map(re.escape, self._markers))) if self._markers else None
        )

    def find(self, text: str) -> re.Match[str] | None:
        return self._pattern.search(text) if self._pattern else None

    def half(self, text: str) -> int:
        """Where the longest end of the text begins that may still become a longer marker."""
        longest = len(self._markers[0]) - 1 if self._markers else 0
        for start in range(max(0, len(text) - longest), len(text)):
            end = text[start:]
            if any(len(one) > len(end) and one.startswith(end) for one in self._markers):
                return start
        return len(text)
