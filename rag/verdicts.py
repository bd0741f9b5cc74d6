"""Whether the cited characters hold up a claim: by rule, not by a model.

What is looked for are particulars: numbers, dates and names. A claim whose particulars all
stand in what it cites is supported, whatever it says about them: rules do not read. So the
words around them have a say where they are clear: a claim hardly any word of which stands
in what it cites is about something else. The thresholds were set on true and false claims
about real documents (``bench/verdicts.py``, which has the rates of both errors).

Limits: sums, conversions and other inferences are not made; "not" is not understood; names
in scripts without capitals are not found. Time is linear in the length of the texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag.answers import Verdict
from rag.folding import folded
from rag.names import Known, language_of, names
from rag.quantities import quantities, values_of
from rag.terms import Terms

_OFF_TOPIC = 0.2  # share of a claim's words in what it cites, at which it is about something else
_FEW_WORDS = 3  # below, the share says nothing
_ENDS = " .!?…\"'"


@dataclass(frozen=True, slots=True)
class Check:
    """What checking a claim came to, and why."""

    verdict: Verdict
    missing: tuple[str, ...] = ()  # particulars of the claim that do not stand in what it cites
    off_topic: bool = False  # hardly any word of the claim stands in what it cites


def check(claim: str, cited: str, context: str = "") -> Check:
    """Hold a claim against the characters that it cites.

    :param context: title, headings, and what the cited text refers back to. A name that
        stands only there is neither found nor missing.
    """
    said, span = folded(claim), folded(cited)
    words = said.strip(_ENDS)
    if words and _stands_in(words, span):
        return Check(Verdict.VERBATIM)
    terms = Terms()
    found, missing = _particulars(said, span, folded(context), terms)
    off_topic = _is_off_topic(said, span, terms)
    if missing:
        worst = Verdict.PARTIAL if found else Verdict.UNSUPPORTED
        return Check(worst, tuple(missing), off_topic)
    if off_topic:
        return Check(Verdict.PARTIAL if found else Verdict.UNSUPPORTED, off_topic=True)
    return Check(Verdict.SUPPORTED if found else Verdict.UNCHECKED)


def verdict(claim: str, cited: str, context: str = "") -> Verdict:
    """The verdict of :func:`check`."""
    return check(claim, cited, context).verdict


def adds(claim: str, cited: str, others: str) -> bool:
    """Whether a text holds much of a claim that other texts do not hold: a fifth of its words."""
    terms = Terms()
    told = set(terms.telling(folded(claim)))
    alone = told.intersection(terms.all(folded(cited))).difference(terms.all(folded(others)))
    return len(alone) > _OFF_TOPIC * len(told)


def _is_off_topic(said: str, span: str, terms: Terms) -> bool:
    """Whether next to none of a claim's words stand in what it cites.

    Never where the words cannot tell, because they are few or of another language.
    """
    told = set(terms.telling(said))
    if len(told) < _FEW_WORDS or language_of(said) != language_of(span):
        return False
    return len(told.intersection(terms.all(span))) <= _OFF_TOPIC * len(told)


def _particulars(said: str, span: str, context: str, terms: Terms) -> tuple[int, list[str]]:
    """How many particulars of a claim stand in what it cites, and which do not."""
    numbers, values = quantities(said), values_of(span)
    language = language_of(said) or language_of(span)
    here, above = Known(span, terms, language), Known(context, terms, language)
    counted = [one for one in numbers if not one.weak]
    missing = [one.text for one in counted if not one.stands_in(values)]
    found = len(counted) - len(missing)
    small = {word for word in re.findall(r"\w+", span) if word.islower()}
    for name in names(said, [(one.start, one.end) for one in numbers], small, language):
        if here.has(name.text):
            found += 1
        elif not above.has(name.text):
            missing.append(name.text)
    return found, list(dict.fromkeys(missing))


def _stands_in(said: str, cited: str) -> bool:
    """Whether a text stands in another one whole, and not as part of a word or a number."""
    before = r"(?<!\w)(?<!\d[.,])" if said[0].isalnum() else ""
    after = r"(?!\w)(?![.,]\d)" if said[-1].isalnum() else ""
    return re.search(before + re.escape(said) + after, cited) is not None
