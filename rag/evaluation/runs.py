"""A run: what was measured, on what, and what came out, question by question. One JSON file.

A run is read back only as what it is: a file with other fields or types is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from corpus.errors import BadEvaluationFile, EvaluationError
from corpus.types import Mode
from rag.evaluation.answering import Answered
from rag.evaluation.bootstrap import Estimate
from rag.evaluation.coverage import Curve
from rag.evaluation.locating import Gold, Lost
from rag.evaluation.questions import read_bytes, shown

FORMAT = 1


@dataclass(frozen=True, slots=True)
class About:
    """What was measured, and on what."""

    questions: str  # name of the file
    questions_sha256: str
    qrels_sha256: str | None
    answerable: int  # questions that are
    unanswerable: int
    unknown: int  # that measure retrieval only
    snapshot: str
    snapshot_created: str
    fingerprint: str  # of the vector space
    engine: str | None  # None: nothing was answered
    settings: Mapping[str, Any]  # those that matter
    made: str  # ISO 8601, UTC
    seconds: float
    resamples: int
    seed: int

    @property
    def total(self) -> int:
        """All questions."""
        return self.answerable + self.unanswerable + self.unknown


@dataclass(frozen=True, slots=True)
class Found:
    """A hit, as far as it is looked at."""

    rank: int
    document: str
    start: int
    end: int
    score: float
    text: str  # its beginning, or what stands around the gold in it
    good: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One question and all that came of it."""

    id: str
    question: str
    answerable: bool | None
    answers: tuple[str, ...]
    masked: str | None
    gold: tuple[Gold, ...]
    rank: int | None  # of the first good hit
    values: Mapping[str, float]  # by measure; those that do not apply are left out
    found: tuple[Found, ...]  # the first few hits, and the first good one
    answered: Answered | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One way of searching."""

    mode: Mode
    metrics: Mapping[str, Estimate]
    rows: tuple[Row, ...]
    curve: Curve | None = None


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Run:
    """A measurement."""

    about: About
    results: tuple[Result, ...]  # the first is the one that counts
    lost: tuple[Lost, ...]  # gold that is not in the snapshot
    format: int = field(default=FORMAT)

    def result(self, mode: Mode | None = None) -> Result:
        """The result of a mode; without one, the first.

        :raises EvaluationError: when the run has none of it.
        """
        found = [one for one in self.results if mode in (None, one.mode)]
        if not found:
            there = ", ".join(one.mode for one in self.results)
            raise EvaluationError(f"the run has no results of mode {mode}; it has {there}")
        return found[0]


def to_json(run: Run) -> dict[str, Any]:
    """The run as plain values."""
    value: dict[str, Any] = _adapter().dump_python(run, mode="json")
    return value


def write_run(run: Run, path: Path) -> None:
    """Write a run to a file; one that is there is replaced as a whole or not at all.

    :raises EvaluationError: when it cannot be written.
    """
    write_whole(path, json.dumps(to_json(run), indent=1).encode() + b"\n")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its place and put it there.

    :raises EvaluationError: when it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            beside.write_bytes(data)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise EvaluationError(f"{path} cannot be written: {error.strerror}") from error


def read_run(path: Path) -> Run:
    """Read a run.

    :raises BadEvaluationFile: when it is none.
    """
    try:
        run = _adapter().validate_python(json.loads(read_bytes(path)))
    except ValidationError as error:
        one = error.errors(include_url=False)[0]
        where = ".".join(map(str, one["loc"])) or "the file"
        raise BadEvaluationFile(
            f"{path} is no run of `rag eval --out`: {where} is {shown(one['input'])}; "
            f"{one['msg'].lower()}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise BadEvaluationFile(f"{path} cannot be read as JSON: {error}") from None
    if run.format != FORMAT or not run.results:
        raise BadEvaluationFile(
            f"{path} has format {run.format} and {len(run.results)} results; expected format "
            f"{FORMAT} and at least one: measure it again with this version"
        )
    return run


@cache
def _adapter() -> TypeAdapter[Run]:
    return TypeAdapter(Run)
