"""Citation markers in generated text, parsed while it streams.

``[1.2]`` names a sentence, ``[1]`` a passage; ``[1.2, 2.1]``, ``[1.1-1.3]``, ``[[1.2]]``,
``【1.2】``, ``[1.2.]`` and spaces inside are understood. A marker of something that was not
shown becomes a citation all the same: who puts the answer together drops and counts it.
Text that only looks like a marker stays text:

* what names no passage and no sentence: ``[2024]``, ``[sic]``, ``[1.2.3]``;
* numbers without a sentence, in a list of which no passage was shown: ``[10, 20]``, or one
  that was not shown directly after a word: ``list[0]``;
* numbers without a sentence in code, between back-ticks: ``KEYS[1]`` is the language's.

The text may be cut anywhere: the result is the same, and half a marker is never let out.
White space before a marker goes; a line break goes behind it. The limit: a decimal in
brackets, ``[3.5]``, is taken for a marker.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from rag.answers import Cite, Passage

Piece = str | Cite
_Ref = tuple[int, int | None]

_LONGEST = 64  # characters; a longer bracket is text, so that no more is ever held back
_OPENS, _CLOSES = r"\[［【", r"\]］】"
_INSIDE = r"0-9０-９.．,，;；、 \t–—－-"
_OPENING = re.compile(rf"[{_OPENS}]")
_MARKER = re.compile(
    rf"([{_OPENS}])\1(?P<twice>[{_INSIDE}]+)[{_CLOSES}]{{2}}"
    rf"|[{_OPENS}](?P<once>[{_INSIDE}]+)[{_CLOSES}]"
)
_UNFINISHED = re.compile(rf"[{_OPENS}][{_INSIDE}]*|([{_OPENS}])\1[{_INSIDE}]*[{_CLOSES}]?")
_REF = r"([0-9]{1,3})(?:\.([0-9]{1,3}))?"
_RANGE = re.compile(rf"{_REF}(?: ?- ?{_REF})?")
_BODY = re.compile(rf" *{_RANGE.pattern}(?:(?: *[,;] *| +){_RANGE.pattern})*\.? *")
_FOLDED = str.maketrans("、–—\t", ",-- ")
_WORD_CHARACTER = re.compile(r"[A-Za-z0-9_]")
_FENCE = re.compile(r" {0,3}(?:```|~~~)")


class Markers:
    """Splits one generated text into text and citations.

    :param passages: what the model was shown.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._sentences = {passage.number: len(passage.sentences) for passage in passages}
        self._code = _Code()
        self._held = ""  # white space, and what may become a marker
        self._last = ""  # the last character let out
        self._break = ""  # a line break that stood before a marker

    def feed(self, text: str) -> list[Piece]:
        """Take more text.

        :return: what is certain by now, in order; no piece is empty.
        """
        self._held += text
        return _joined(self._pieces(last=False))

    def end(self) -> list[Piece]:
        """There is no more text: what was held back is let out."""
        return _joined(self._pieces(last=True))

    def _pieces(self, *, last: bool) -> Iterator[Piece]:
        while opening := _OPENING.search(self._held):
            before = self._held[: opening.start()]
            yield from self._say(len(before.rstrip()))
            space = len(self._held) - len(self._held.lstrip())
            if not last and self._may_become_one(space):
                return
            marker = _MARKER.match(self._held, space)
            cites = self._cites(marker, directly=not space) if marker else None
            if not marker or cites is None:
                yield from self._say(space + 1)
                continue
            if "\n" in self._held[:space]:
                self._break = self._break or self._held[:space]
            self._held, self._last = self._held[marker.end() :], ""
            yield from cites
        yield from self._say(len(self._held if last else self._held.rstrip()))

    def _say(self, length: int) -> Iterator[str]:
        """Let out the beginning of what is held."""
        text, self._held = self._held[:length], self._held[length:]
        if not text:
            return
        if not text.isspace():
            words = text.lstrip()
            if self._break and "\n" not in text[: len(text) - len(words)]:
                text = self._break + words
            self._break = ""
        self._code.read(text)
        self._last = text[-1]
        yield text

    def _may_become_one(self, start: int) -> bool:
        rest = len(self._held) - start
        return rest < _LONGEST and _UNFINISHED.fullmatch(self._held, start) is not None

    def _cites(self, marker: re.Match[str], *, directly: bool) -> Iterable[Cite] | None:
        """What a bracket cites; None where it is text.

        :param directly: it follows the last character without white space.
        """
        inside = marker["once"] or marker["twice"]
        body = unicodedata.normalize("NFKC", inside).translate(_FOLDED)
        if marker.end() - marker.start() > _LONGEST or not _BODY.fullmatch(body):
            return None
        ranges = [_refs(match) for match in _RANGE.finditer(body)]
        named = [ref for refs in ranges for ref in refs]
        if all(sentence is None for _, sentence in named):
            after_word = directly and _WORD_CHARACTER.match(self._last) is not None
            if self._code.inside or not self._are_passages(named, after_word=after_word):
                return None
        return dict.fromkeys(Cite(*ref) for refs in ranges for ref in self._between(*refs))

    def _are_passages(self, named: Sequence[_Ref], *, after_word: bool) -> bool:
        """Whether numbers without a sentence can be meant as passages."""
        if any(number in self._sentences for number, _ in named):
            return True
        return len(named) == 1 and named[0][0] < 100 and not after_word

    def _between(self, first: _Ref, last: _Ref | None = None) -> Iterator[_Ref]:
        """Every reference of a range; of those that were not shown only the ends."""
        yield first
        if last is None:
            return
        (passage, low), (end, high) = first, last
        if low is None and high is None:
            yield from ((n, None) for n in sorted(self._sentences) if passage < n < end)
        elif low is not None and high is not None and passage == end:
            shown = self._sentences.get(passage, 0)
            yield from ((passage, n) for n in range(low + 1, min(high, shown + 1)))
        yield last


class _Code:
    """Follows whether a Markdown text is in code: between back-ticks, or in a fence."""

    def __init__(self) -> None:
        self._fenced = False
        self._line = ""  # how the line begins
        self._ticks = 0  # in this line

    @property
    def inside(self) -> bool:
        if self._fenced:
            return _FENCE.match(self._line) is None
        return self._ticks % 2 == 1

    def read(self, text: str) -> None:
        first, *others = text.split("\n")
        self._read(first)
        for line in others:
            self._fenced ^= _FENCE.match(self._line) is not None
            self._line, self._ticks = "", 0
            self._read(line)

    def _read(self, text: str) -> None:
        self._line = (self._line + text)[:8]
        self._ticks += text.count("`")


def _refs(match: re.Match[str]) -> list[_Ref]:
    """``1.2`` as one reference, ``1.1-1.3`` and ``1.1-3`` as two."""
    passage, sentence, end, high = (int(part) if part else None for part in match.groups())
    first = (passage or 0, sentence)
    if end is None:
        return [first]
    return [first, (passage or 0, end) if sentence is not None and high is None else (end, high)]


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    """Text that follows text becomes one piece."""
    joined: list[Piece] = []
    for piece in pieces:
        if joined and isinstance(piece, str) and isinstance(joined[-1], str):
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined
