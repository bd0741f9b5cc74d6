"""Search and ask every question of a set, and judge what comes of it.

One snapshot serves the whole run. A quote that the snapshot does not hold is put on the list of
what is lost, and its question is measured by what is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from corpus.errors import EvaluationError
from corpus.snapshot import Snapshot
from corpus.types import Hit, Mode
from rag.answerer import Answerer, Corpus
from rag.evaluation import answering, retrieval
from rag.evaluation.answering import Answered
from rag.evaluation.asking import Asking, Reply
from rag.evaluation.locating import NO_DOCUMENT, Gold, Locator, Lost
from rag.evaluation.masking import MaskedCorpus
from rag.evaluation.measures import estimates, risk_curve
from rag.evaluation.qrels import Qrels
from rag.evaluation.questions import Item, QuestionSet
from rag.evaluation.retrieval import Ranking
from rag.evaluation.rows import row_of, with_answer
from rag.evaluation.runs import About, Result, Row, Run

DEPTH = 100
"""Hits that are looked at: what is not among them counts as not found."""

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Way:
    """What is measured, and how."""

    modes: tuple[Mode, ...] = (Mode.HYBRID,)
    answers: bool = False  # of the first mode, which must be the one that answers search by
    engine: str | None = None  # None: the first
    k: int = 8  # chunks that an answer is made from
    deadline_s: float = 120
    parallel: int = 1
    snapshot: str | None = None  # id or tag; None: the current one
    resamples: int = 2000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class _Case:
    """A question with its gold, and the corpus that it is asked of."""

    item: Item
    gold: tuple[Gold, ...]
    relevant: Mapping[str, int]
    answerer: Answerer


@dataclass(frozen=True, slots=True)
class _Scene:
    """What all questions of a run are asked of."""

    snapshot: str  # id
    locator: Locator
    step: Step


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that a run needs.

    :param settings: those that matter, to be written down with the results.
    """

    answerer: Answerer
    corpus: Corpus
    way: Way
    settings: Mapping[str, Any]

    def run(self, questions: QuestionSet, qrels: Qrels | None, step: Step) -> Run:
        """Measure.

        :param step: told the id of each question when it has been searched or answered.
        :raises EvaluationError: when the snapshot holds none of the gold.
        :raises CorpusError: when there is no snapshot to search.
        """
        began = time.monotonic()
        snapshot = self.corpus.get(self.way.snapshot)
        locator = Locator(snapshot)
        cases, lost = self._cases(questions, qrels, locator)
        scene = _Scene(snapshot.id, locator, step)
        results = [
            self._result(mode, cases, scene, answers=self.way.answers and number == 0)
            for number, mode in enumerate(self.way.modes)
        ]
        about = self._about(questions, qrels, snapshot, time.monotonic() - began)
        return Run(about, tuple(results), tuple(lost))

    def _cases(
        self, questions: QuestionSet, qrels: Qrels | None, locator: Locator
    ) -> tuple[list[_Case], list[Lost]]:
        cases: list[_Case] = []
        lost: list[Lost] = []
        for item in questions.items:
            gold, missing = locator.locate(item)
            judged = _relevant(item, qrels)
            relevant = {
                one: score for one, score in judged.items() if locator.text(one) is not None
            }
            lost += missing
            lost += [
                Lost(item.id, one, "", NO_DOCUMENT)
                for one in judged
                if one not in relevant and one not in {lost.document for lost in missing}
            ]
            cases.append(_Case(item, gold, relevant, self._answerer(item, locator, lost)))
        if lost and not any(case.gold or case.relevant for case in cases):
            raise EvaluationError(
                f"the snapshot holds none of the gold of {questions.name} "
                f"({lost[0].document!r}: {lost[0].reason}); measure the store that the questions "
                "are about, and name documents as `rag documents` does"
            )
        return cases, lost

    def _answerer(self, item: Item, locator: Locator, lost: list[Lost]) -> Answerer:
        if item.masked is None:
            return self.answerer
        if locator.text(item.masked) is None:
            lost.append(Lost(item.id, item.masked, "", NO_DOCUMENT))
            return self.answerer
        return self.answerer.over(MaskedCorpus(self.corpus, item.masked))

    def _result(
        self, mode: Mode, cases: Sequence[_Case], scene: _Scene, *, answers: bool
    ) -> Result:
        rows = self._searched(mode, cases, scene)
        if answers:
            rows = list(self._with_answers(rows, cases, scene))
        way = self.way
        return Result(mode, estimates(rows, way.resamples, way.seed), tuple(rows), risk_curve(rows))

    def _searched(self, mode: Mode, cases: Sequence[_Case], scene: _Scene) -> list[Row]:
        hits: list[Sequence[Hit]] = []
        for case in cases:
            found = case.answerer.search(case.item.question, DEPTH, mode, scene.snapshot)
            hits.append(found.hits)
            scene.step(case.item.id)
        rankings = [
            Ranking([hit.chunk for hit in found], case.gold, case.relevant)
            for case, found in zip(cases, hits, strict=True)
        ]
        columns = (retrieval.span_values(rankings), retrieval.document_values(rankings))
        items = [case.item for case in cases]
        return [row_of(*one) for one in zip(items, rankings, hits, *columns, strict=True)]

    def _with_answers(
        self, rows: Iterable[Row], cases: Sequence[_Case], scene: _Scene
    ) -> Iterator[Row]:
        way = self.way
        asking = Asking(scene.snapshot, way.engine, way.k, way.deadline_s, way.parallel)
        replies = asking.replies(
            (case.answerer, case.item.question)
            for case in cases
            if case.item.answerable is not None
        )
        for row, case in zip(rows, cases, strict=True):
            if case.item.answerable is None:
                yield row
                continue
            answered = _judged(case, next(replies), scene)
            scene.step(case.item.id)
            values = answering.answer_values(case.item, case.gold, answered)
            yield with_answer(row, answered, values)

    def _about(
        self, questions: QuestionSet, qrels: Qrels | None, snapshot: Snapshot, seconds: float
    ) -> About:
        kinds = [item.answerable for item in questions.items]
        engine = self.way.engine or next(iter(self.answerer.engines))
        return About(
            questions=questions.name,
            questions_sha256=questions.sha256,
            qrels_sha256=qrels.sha256 if qrels else None,
            answerable=kinds.count(True),
            unanswerable=kinds.count(False),
            unknown=kinds.count(None),
            snapshot=snapshot.id,
            snapshot_created=snapshot.created,
            fingerprint=str(snapshot.manifest.fingerprint),
            engine=engine if self.way.answers else None,
            settings={**self.settings, "documents": dict(snapshot.manifest.settings)},
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(seconds, 1),
            resamples=self.way.resamples,
            seed=self.way.seed,
        )


def _judged(case: _Case, reply: Reply, scene: _Scene) -> Answered:
    if reply.answer is None:
        return answering.failed(reply.error)
    text_of = scene.locator.text
    return answering.judged(case.item, case.gold, reply.answer, reply.passages, text_of)


def _relevant(item: Item, qrels: Qrels | None) -> Mapping[str, int]:
    """The relevant documents: those that are judged so, or else those of the evidence."""
    if qrels is not None:
        return qrels.relevant.get(item.id, {})
    return {one.doc: 1 for one in item.evidence}
