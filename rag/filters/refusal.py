"""What is said of a filter that means nothing: what is wrong, and where, with a caret under it."""

from __future__ import annotations

from corpus.errors import BadRequest

_AROUND = 40  # characters shown before and after the place


class Refusal(BadRequest):
    """A filter that cannot be taken.

    :param what: what was found, and what was expected.
    :param text: the filter.
    :param at: where, counted from 0.
    """

    def __init__(self, what: str, text: str, at: int) -> None:
        said = "".join(char if char.isprintable() else "\ufffd" for char in what)
        super().__init__(f"where, character {at + 1}: {said}\n{_pointed(text, at)}", "where")


def _pointed(text: str, at: int) -> str:
    """The filter around a place, and a caret below it."""
    first, last = max(0, at - _AROUND), min(len(text), at + _AROUND)
    before, after = "…" * (first > 0), "…" * (last < len(text))
    shown = "".join(char if char.isprintable() else " " for char in text[first:last])
    return f"  {before}{shown}{after}\n  {' ' * (at - first + len(before))}^"
