"""Texts from which the ranges of a model in int8 are learnt.

The demo corpus, and some sentences in other scripts and of other kinds, without which texts such
as these lose a third of a hundredth in cosine. None belongs to a set that anything is measured on
but the demo's own, and none is among those that the result is checked with.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

from corpus.sentences import sentence_spans

_CHARS = 600  # of a text; some 140 tokens of prose
_FEW_CHARS = 60  # of a short one, as questions are: with few tokens attention takes less of each
_SENTENCE_CHARS = 160  # of a sentence; longer ones are lists and tables as a rule

_VARIED = (
    "Библиотека открыта с девяти утра, кроме воскресенья; книги можно взять на три недели.",
    "تفتح المكتبة أبوابها في التاسعة صباحا، ويمكن استعارة الكتب لمدة ثلاثة أسابيع.",
    "पुस्तकालय सुबह नौ बजे खुलता है और किताबें तीन सप्ताह के लिए दी जाती हैं।",
    "ห้องสมุดเปิดเวลาเก้าโมงเช้า และยืมหนังสือได้สามสัปดาห์",
    "图书馆上午九点开门，图书可以借三个星期，逾期每天收费一元。",
    "図書館は午前九時に開き、本は三週間借りることができます。",
    "도서관은 오전 아홉 시에 열고 책은 삼 주 동안 빌릴 수 있습니다.",
    "Die Bücherei öffnet um neun; Bücher dürfen drei Wochen behalten werden.",
    "for (size_t i = 0; i < n; ++i) { total += rows[i].price * rows[i].count; }",
    "GET /v1/items?limit=50&after=2031-05-04 HTTP/1.1 404 0.031 s 10.0.0.7",
    "| name | unit | 2019 | 2020 |\n|---|---|---:|---:|\n| steel | t | 1,204.5 | 998.0 |",
    "!!! ??? ... ### *** --- ((())) [[[]]] \u2014 \u2026 \u00a7 \u20ac",
)


def calibration_texts() -> Iterator[str]:
    """For documents: the sentences, every second piece of the demo corpus, and short pieces of
    all of it.
    """
    yield from _VARIED
    corpus = _demo_corpus()
    for begin in range(0, len(corpus), 2 * _CHARS):
        yield corpus[begin : begin + _CHARS]
    for begin in range(0, len(corpus), _CHARS // 2):
        yield corpus[begin : begin + _FEW_CHARS]


def calibration_questions() -> Iterator[str]:
    """For questions: the sentences, those of the demo corpus, as most questions are one, and every
    fourth piece of it, so that a long question finds room in the ranges as well.
    """
    yield from _VARIED
    corpus = _demo_corpus()
    for begin, end in sentence_spans(corpus):
        if end - begin <= _SENTENCE_CHARS:
            yield corpus[begin:end]
    for begin in range(0, len(corpus), 4 * _CHARS):
        yield corpus[begin : begin + _CHARS]


def _demo_corpus() -> str:
    files = resources.files("corpus").joinpath("documents").iterdir()
    return "\n".join(
        one.read_text(encoding="utf-8") for one in sorted(files, key=lambda one: one.name)
    )
