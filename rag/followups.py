"""Questions that lean on what was said before, and what to search for instead.

"And on Sundays?" finds nothing by itself. Whether a question needs its history is told by
plain cues of English: words that point back (it, they, that, there, the same), a beginning
that goes on (and, but, what about), or too few words of its own. A question that stands by
itself is searched for as it is, so that a conversation does not drag its topic along.

An engine with a model rewrites the question; without one, or when it fails, the words of the
last questions are added to it, which finds the topic and reads badly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.answers import Question, Speaker, Turn
from rag.terms import PLAIN_WORDS

_POINTS_BACK = re.compile(
    r"\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|this|that|these|those|there|"
    r"then|such|one|ones|same|former|latter|other|others|another|else|above|previous|earlier)\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    r"\s*(?:and|but|or|so|also|what about|how about|what else|why not|why|how so|really|which one)"
    r"\b",
    re.IGNORECASE,
)
_OWN_WORDS = 2  # fewer telling words than this stand for no topic
_MAX_ADDED_CHARS = 300
_MAX_CONDENSED_CHARS = 500


def needs_history(question: str, history: Sequence[Turn]) -> bool:
    """Whether a question cannot be understood by itself."""
    if not any(turn.speaker is Speaker.USER for turn in history):
        return False
    words = [word for word in re.findall(r"\w+", question.lower()) if word not in PLAIN_WORDS]
    return (
        len(words) < _OWN_WORDS
        or bool(_GOES_ON.match(question))
        or bool(_POINTS_BACK.search(question))
    )


def joined(question: Question) -> str:
    """The question with the last questions before it, as something to search for."""
    asked = [turn.text.strip() for turn in question.history if turn.speaker is Speaker.USER]
    before = ""
    for text in reversed(asked):
        if len(before) + len(text) > _MAX_ADDED_CHARS:
            break
        before = f"{text} {before}".strip()
        if not needs_history(text, question.history):
            break  # this one names the topic
    before = before or asked[-1][:_MAX_ADDED_CHARS]
    return f"{before} {question.text.strip()}"


def usable(condensed: str | None) -> str | None:
    """What a model wrote as the standalone question, if it looks like one."""
    lines = (condensed or "").strip().splitlines()
    if len(lines) != 1 or len(lines[0]) > _MAX_CONDENSED_CHARS:
        return None
    return lines[0].strip().strip("\"'“”") or None
