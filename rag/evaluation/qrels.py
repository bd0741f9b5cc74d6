"""Which documents are relevant to which question: a table as BEIR has it.

Tabs between ``query-id``, ``corpus-id`` and ``score``, under a line with these names. A score
above 0 says relevant, and how much.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from corpus.errors import BadEvaluationFile
from rag.evaluation.questions import numbered, read_bytes, refuse_wrong, shown

HEAD = ["query-id", "corpus-id", "score"]
_MAX_SCORE = 1000


@dataclass(frozen=True, slots=True)
class Qrels:
    """Judgements of documents."""

    sha256: str  # of the file's bytes
    relevant: Mapping[str, Mapping[str, int]]  # question -> document -> score above 0


def read_qrels(path: Path) -> Qrels:
    """Read a table of judgements.

    :raises BadEvaluationFile: naming the file, the lines and what is wrong with them.
    """
    data = read_bytes(path)
    relevant: dict[str, dict[str, int]] = {}
    wrong: list[str] = []
    rows = list(numbered(data))
    if not rows or rows[0][1].split(b"\t") != [name.encode() for name in HEAD]:
        found = shown(rows[0][1].decode(errors="replace")) if rows else "nothing"
        raise BadEvaluationFile(
            f"{path} begins with {found}; expected the names {', '.join(HEAD)}, with tabs between"
        )
    for number, line in rows[1:]:
        try:
            question, document, score = _row(line)
            judged = relevant.setdefault(question, {})
            if document in judged:
                raise ValueError(f"{shown(document)} is judged for {shown(question)} already")
            judged[document] = score
        except ValueError as error:
            wrong.append(f"line {number}: {error}")
    refuse_wrong(path, wrong)
    positive = {
        question: {document: score for document, score in judged.items() if score}
        for question, judged in relevant.items()
    }
    return Qrels(
        hashlib.sha256(data).hexdigest(),
        {one: judged for one, judged in positive.items() if judged},
    )


def _row(line: bytes) -> tuple[str, str, int]:
    try:
        cells = line.decode().split("\t")
    except UnicodeDecodeError as error:
        raise ValueError(f"no UTF-8: {error.reason} at byte {error.start}") from None
    if len(cells) != len(HEAD):
        raise ValueError(f"{len(cells)} columns; expected {len(HEAD)}, with tabs between")
    question, document, score = cells
    if not (score.isascii() and score.isdigit() and int(score) <= _MAX_SCORE):
        raise ValueError(f"score is {shown(score)}; expected a whole number from 0")
    return question, document, int(score)
