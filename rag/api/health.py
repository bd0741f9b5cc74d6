"""`/healthz`: this process answers. `/readyz`: it can answer questions, and if not, why."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from corpus.errors import RagError
from corpus.runs import Outcome, Run, RunLog
from corpus.store import Store
from rag.api.context import Context
from rag.wire import Json, snapshot_json

BAD_ENDS = {Outcome.FAILED, Outcome.REFUSED, Outcome.CRASHED}


def blueprint(context: Context) -> Blueprint:
    """The routes."""
    views = Blueprint("health", __name__)

    @views.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @views.get("/readyz")
    def readyz() -> Response:
        """Ready while something answers; what is wrong with refreshing is told as well.

        Degraded: what answers is not the snapshot that should.
        """
        snapshot: Json | None = None
        reasons: list[str] = []
        try:
            snapshot = snapshot_json(context.live.info(context.live.get()))
        except RagError as error:
            reasons.append(str(error))
        problems = context.live.problems() or reasons
        if context.draining.started():
            problems.append("the server is stopping")
        ready = snapshot is not None and not context.draining.started()
        state = _refresh_json(context)
        if state["problem"]:
            problems.append(state["problem"])
        generation = context.generation() if context.generation else None
        if generation and generation["problem"]:  # answers are extractive meanwhile
            problems.append(f"generated answers: {generation['problem']}")
        response = jsonify(
            ready=ready,
            degraded=ready and bool(context.live.problems()),
            snapshot=snapshot,
            problems=problems,
            refresh=state,
            generation=generation,
        )
        response.status_code = 200 if ready else 503
        return response

    return views


def _refresh_json(context: Context) -> Json:
    """When the corpus was last in step with its roots, and what the last run came to."""
    log = RunLog(context.store.path)
    last = _last_run(context.store, log)
    problem = context.schedule.problem() if context.schedule else ""
    if not problem and last and last.outcome in BAD_ENDS and not _since(last, log):
        problem = f"the last refresh {last.outcome.value}: {last.detail}"
    return {
        "scheduled": context.schedule is not None,
        "last_success": log.last_success() or None,
        "last_run": (last.finished or last.started) if last else None,
        "last_outcome": last.outcome.value if last else None,
        "next_run": log.next_run() or None,
        "problem": problem or None,
    }


def _since(run: Run, log: RunLog) -> bool:
    """Whether all was well again after a run: one that finds nothing to do leaves no line."""
    return log.last_success() > (run.finished or run.started)


def _last_run(store: Store, log: RunLog) -> Run | None:
    """The newest run on record; one that seems to be under way is looked at twice."""
    newest = next(iter(log.runs(being_written=True)), None)
    if newest is None or newest.outcome is not Outcome.RUNNING:
        return newest
    return next(iter(log.runs(being_written=store.is_being_written())), None)
