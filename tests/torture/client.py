"""The harness's side of the worker."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.torture.calls import Call
from tests.torture.tracer import Plan

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one operation in the worker."""

    status: int  # exit code, or minus the signal that ended it
    counted: int  # calls
    hit: str  # the call that was struck; empty for none
    calls: tuple[Call, ...]
    outcome: str  # done, refused (an error of the project's own), broke, or empty: it told nothing
    message: str
    snapshot: str  # that answers now, as it was told

    @property
    def acknowledged(self) -> bool:
        """Whether its user was told that it is done."""
        return self.outcome == "done"


class Worker:
    """A worker process, ready to fork."""

    def __init__(self, scratch: Path) -> None:
        self._told = scratch / "told"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.worker"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"RAG_CONFIG": "/dev/null", "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def run(
        self,
        operation: str,
        store: Path,
        argument: str,
        plan: Plan | None = None,
        *,
        mutants: tuple[str, ...] = (),
        after_s: float | None = None,
        paused: Callable[[str], None] | None = None,
    ) -> Result:
        """Let a child perform an operation, and do to it what the plan says."""
        plan = plan or Plan()
        request = {
            "operation": operation,
            "store": str(store),
            "argument": argument,
            "told": str(self._told),
            "roots": [str(store.parent)],  # its own name is there
            "plan": {**asdict(plan), "calls": sorted(plan.calls)},
            "mutants": mutants,
            "after_s": after_s,
        }
        answer = self._ask(request)
        while "paused" in answer:
            if paused:
                paused(answer["paused"])
            answer = self._ask({})
        return _result(answer)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended with {self._process.wait()}; see its error above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._process.kill()  # its child ends with it
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _result(answer: dict[str, Any]) -> Result:
    told = json.loads(answer["told"] or "{}")
    hit = Call(**answer["hit"]) if answer["hit"] else None
    calls = (Call(**{**one, "data": base64.b64decode(one["data"])}) for one in answer["calls"])
    return Result(
        answer["status"],
        answer["counted"],
        str(hit or ""),
        tuple(calls),
        told.get("outcome", ""),
        f"{told['kind']}: {told['message']}" if "kind" in told else "",
        told.get("snapshot", ""),
    )
