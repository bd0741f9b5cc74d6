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
from rag.checking.folding import folded
from rag.checking.names import Known, language_of, names
from rag.checking.quantities import quantities, values_of
from rag.terms import Terms

_OFF_TOPIC = 0.2  # share of a claim's words in what it cites, at which it is about something else
_FEW_WORDS = 3  # below, the share says nothing
_WORD_BEFORE, _WORD_AFTER = re.compile(r"(?:\w|\d[.,])$"), re.compile(r"\w|[.,]\d")
_JOINING = re.compile(r"^(?:and|but|or|so|while|whereas) ", re.IGNORECASE)
_ENDS = " .!?…\"'"


@dataclass(frozen=True, slots=True)
class Check:
    """What checking a claim came to, and why."""

    verdict: Verdict
    missing: tuple[str, ...] = ()  # particulars of the claim that do not stand in what it cites
    off_topic: bool = False  # hardly any word of the claim stands in what it cites

    @property
    def holds(self) -> bool:
        """Whether what is cited holds the claim up."""
        return self.verdict in (Verdict.VERBATIM, Verdict.SUPPORTED)


def check(claim: str, cited: str, context: str = "") -> Check:
    """Hold a claim against the characters that it cites.

    :param context: title, headings, and what the cited text refers back to. A name that
        stands only there is neither found nor missing.
    """
    said, span = folded(claim), folded(cited)
    if _is_verbatim(said, span):
        return Check(Verdict.VERBATIM)
    terms, language = Terms(), _language(said, span)
    here, above = (Known(text, terms, language) for text in (span, folded(context)))
    found, missing = _particulars(said, span, here, above)
    off_topic = language_of(said) == language_of(span) and _is_off_topic(said, here, terms)
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


def _is_off_topic(said: str, here: Known, terms: Terms) -> bool:
    """Whether next to none of a claim's words stand in what it cites; never of few words."""
    told = {term for term in terms.telling(said) if term.isalpha()}
    held = sum(map(here.has_term, told))
    return len(told) >= _FEW_WORDS and held <= _OFF_TOPIC * len(told)


def _particulars(said: str, span: str, here: Known, above: Known) -> tuple[int, list[str]]:
    """How many particulars of a claim stand in what it cites, and which do not."""
    numbers, values = quantities(said), values_of(span)
    counted = [one for one in numbers if not one.weak]
    missing = [one.text for one in counted if not one.stands_in(values)]
    found = len(counted) - len(missing)
    small = {word for word in re.findall(r"\w+", span) if word.islower()}
    written = names(said, [(one.start, one.end) for one in numbers], small, here.language)
    firm = here
    if any(name.begins for name in written):  # a beginning in what is cited proves nothing
        within = (name.text for name in names(span, language=here.language) if not name.begins)
        firm = Known(" ".join(within), here.terms, here.language)
    for name in written:
        if here.has(name.text):
            found += not name.begins or firm.has(name.text)
        elif not above.has(name.text):
            missing.append(name.text)
    return found, list(dict.fromkeys(missing))


def _language(said: str, span: str) -> str:
    """Of a claim; of what it cites, where it is too short to tell."""
    plain = (said + span).isascii()
    return language_of(said) or language_of(span) or ("english" if plain else "")


def _is_verbatim(said: str, span: str) -> bool:
    """Whether the words of a claim stand in what it cites, but for what joins them on."""
    words = said.strip(_ENDS)
    for one in dict.fromkeys((words, _JOINING.sub("", words, count=1))):
        if one and (_stands_in(one, span) or _stands_in(one[0].swapcase() + one[1:], span)):
            return True
    return False


def _stands_in(said: str, cited: str) -> bool:
    """Whether a text stands in another one whole, and not as part of a word or a number."""
    at = cited.find(said)
    while at >= 0:
        before, after = cited[max(0, at - 2) : at], cited[at + len(said) : at + len(said) + 2]
        if not (_WORD_BEFORE.search(before) and said[0].isalnum()) and not (
            _WORD_AFTER.match(after) and said[-1].isalnum()
        ):
            return True
        at = cited.find(said, at + len(said))
    return False
