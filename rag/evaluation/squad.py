"""Exact match and F1 as SQuAD has them (Rajpurkar et al., EMNLP 2016 and ACL 2018).

Texts are compared in lower case, without ASCII punctuation and the English articles, words
split at white space. Languages without spaces make one word of a clause, so F1 says little
about them. An engine that answers with whole sentences has a low exact match by its nature.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(text: str) -> str:
    """The text as it is compared."""
    bare = text.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def exact_match(answer: str, golds: Iterable[str]) -> float:
    """1 where the answer equals one of the gold answers, else 0."""
    given = normalised(answer)
    return float(any(given == normalised(gold) for gold in golds))


def f1(answer: str, golds: Iterable[str]) -> float:
    """The best harmonic mean of precision and recall of words over the gold answers."""
    given = normalised(answer).split()
    return max((_f1(given, normalised(gold).split()) for gold in golds), default=0.0)


def _f1(given: list[str], gold: list[str]) -> float:
    if not given or not gold:
        return float(given == gold)
    shared = (Counter(given) & Counter(gold)).total()
    if not shared:
        return 0.0
    precision, recall = shared / len(given), shared / len(gold)
    return 2 * precision * recall / (precision + recall)
