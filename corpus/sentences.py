"""Sentences of a text, as spans.

A stop ends a sentence unless what stands around it says otherwise: an abbreviation, an
initial, a list number, a continuation in lower case. Lines matter where they carry
structure (blank lines, list items, headings, table rows, code); a single new-line inside
prose is a wrapped line and ends nothing. Covers Latin scripts, CJK, Devanagari, Arabic and
Urdu stops. Scripts that write no stops, Thai for one, come back whole, line by paragraph.

The rules are few on purpose. Where they are unsure they keep the sentence whole: a quote
that is a sentence too long still says what the document says, half a sentence may not.
Time is linear in the length of the text, whatever it holds: every pattern looks either at
a bounded stretch or at characters that no other match looks at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

_STOP = re.compile(
    r"""
    [.!?…。！？｡।॥؟۔]                   # first and as a set, so that all else is passed over
    (?:
        (?<=[.!?…]) (?<![.!?…].) [.!?…]*+  # a whole run of stops, once
            (?: [)\]}"'”’»*_`] | \s (?: '' | ["”] ) (?=\s) )*+ (?=\s)
        | (?<=[。！？｡]) [。！？｡]*+ [」』）】》”’"')]*+  # CJK stops need no space after them
        | (?<=[぀-ヿ㐀-鿿][!?]) [!?]*+ (?=[぀-ヿ㐀-鿿])
        | (?<=[।॥؟۔]) [।॥؟۔]*+ [)\]"'”’»]*+
    )
    """,
    re.VERBOSE,
)
_ITEM = re.compile(r"(?:[-*+•‣◦▪] |(?:\d{1,3}|[A-Za-z])[.)] |\((?:\d{1,3}|[a-z]|[ivx]{1,5})\) )")
_ALONE = re.compile(r"\||#|<!--|(?:[-=*_]\s?){3,}$|---|\[[^\]\s]{1,80}\]: ")
_FENCE = re.compile(r"```|~~~")
_ITEM_NUMBER = re.compile(r"[-*+#•\s(]{0,8}(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})\.$")
_NUMBER_CHARS = 16  # no list number with its marker and white space is longer
_LAST_WORD = re.compile(r"[^\s(\[{\"'“‘«/—–]+$")
_NEXT_WORD = re.compile(r"[\"'“‘«(\[*_`]{0,4}([^\W\d_]{1,20}(?:['’][a-z]{1,3})?)(?=[\s,:]|$)")
_DOTTED = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")

_TITLES = (
    "adm brig capt cmdr col cpl dr gen gov hon lt maj messrs mme mlle mr mrs ms mx pres prof rep "
    "rev rt sen sgt sr st supt "
    "e.g i.e eg ie viz vs cf approx ca c esp incl ibid resp aka a.k.a al"
)
_COUNTED = (
    "art ch chap eq eqs ex fig figs fn fol ill lib n no nos nr op p par para pg pl pp pt pts "
    "ref refs sec sect ser tab tbl v ver vol vols "
    "jan feb mar apr jun jul aug sep sept oct nov dec"
)
_ENDING = (
    "ave blvd bros co corp dept ed eds est etc ft hrs inc jr ltd llc mass max min misc mt mts "
    "nat'l natl no.s ph.d phd plc rd sq univ yr yrs"
)
_NEVER_LAST = frozenset(_TITLES.split())  # something follows them in the same sentence
_BEFORE_NUMBER = frozenset(_COUNTED.split())  # the same, before a number
_MAYBE_LAST = frozenset(_ENDING.split())  # these may end one: see _OPENERS
_OPENING = (
    "a an the this that these those he she it they we you his her its their our my your there "
    "here who what when where why how which in on at by for from with without to of as if while "
    "since until after before during under over although though because however therefore thus "
    "then also but and or so yet not no some many most all each every both one two several such "
    "other another today later according despite unlike like between"
)
_OPENERS = frozenset(_OPENING.split())  # begin a sentence more often than a name


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """Split ``text[start:end]`` into sentences.

    :param end: code points, exclusive; None for the end of the text.
    :return: spans into ``text``, in order, disjoint, not empty, without white space at
        either end; together they hold every character that is not white space.
    """
    stop = len(text) if end is None else min(end, len(text))
    return [
        span for low, high in _units(text, max(start, 0), stop) for span in _split(text, low, high)
    ]


def _units(text: str, start: int, end: int) -> Iterator[Span]:
    """Runs of lines that read on: a paragraph, a list item, a heading, a table row."""
    begin = at = start
    fenced = False
    while at < end:
        newline = text.find("\n", at, end)
        after = end if newline < 0 else newline + 1
        line = text[at:after].strip()
        fence = _FENCE.match(line) is not None
        alone = fence or fenced or _ALONE.match(line) is not None or " | " in line
        if begin < at and (not line or alone or _ITEM.match(line)):
            yield begin, at
            begin = at
        if not line:
            begin = after
        elif alone or line.endswith((":", "：")):  # a line that announces the next one
            yield begin, after
            begin = after
        fenced ^= fence
        at = after
    yield begin, end


def _split(text: str, start: int, end: int) -> Iterator[Span]:
    begin = start
    for match in _STOP.finditer(text, start, end):
        if _ends(text, begin, match, end):
            yield from _filled(text, begin, match.end())
            begin = match.end()
    yield from _filled(text, begin, end)


def trimmed(text: str, start: int, end: int) -> Span:
    """The same span without white space at its ends; empty (start == end) when it was all."""
    piece = text[start:end]
    kept = piece.lstrip()
    start += len(piece) - len(kept)
    return start, start + len(kept.rstrip())


def _filled(text: str, start: int, end: int) -> Iterator[Span]:
    low, high = trimmed(text, start, end)
    if low < high:
        yield low, high


def _ends(text: str, begin: int, stop: re.Match[str], end: int) -> bool:
    """Whether the sentence that began at ``begin`` is over at this stop."""
    follows = _next_visible(text, stop.end(), end)
    mark, following = stop.group(), text[follows] if follows < end else ""
    if not following:
        return True
    if following in ".!?…,;)]}、，" or (following == "と" and mark[-1] in "」』”"):
        return False
    if mark[0] not in ".…":
        return mark[0] not in "!?" or not following.islower()
    before = _LAST_WORD.search(text, max(begin, stop.start() - 24), stop.start())
    word = before.group() if before else ""
    if mark[0] == "." and mark[:2] != ".." and word:
        leading = text[begin : stop.start() + 1] if stop.start() - begin < _NUMBER_CHARS else ""
        return _ends_after(word, leading.lstrip(), text, follows)
    return not following.islower()


def _ends_after(word: str, leading: str, text: str, follows: int) -> bool:
    """Whether a single full stop after ``word`` ends the sentence.

    :param leading: the sentence so far, where it is short enough to be a list number.
    """
    following, lowered = text[follows], word.lower()
    if lowered in _NEVER_LAST or _ITEM_NUMBER.match(leading):
        return False
    if lowered in _BEFORE_NUMBER and (following.isdigit() or following in "#("):
        return False
    if following.islower():  # rarely a sentence; a plain long word before it says so
        return len(word) > 3 and word.isalpha() and word.islower() and lowered not in _MAYBE_LAST
    initial = len(word) == 1 and word.isupper()
    if initial or lowered in _MAYBE_LAST or _DOTTED.fullmatch(word):
        opener = _NEXT_WORD.match(text, follows)
        return opener is not None and opener.group(1).lower() in _OPENERS
    return True


def _next_visible(text: str, at: int, end: int) -> int:
    while at < end and text[at].isspace():
        at += 1
    return at
