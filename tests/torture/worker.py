"""The process whose children are killed: loads everything once, then forks for each request.

Reads one JSON object a line and answers with one. A child performs one operation, and
writes what it would tell its user to a file outside the store: the acknowledgement.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from corpus.errors import RagError
from tests.torture import mutants, ptrace
from tests.torture.calls import Call
from tests.torture.operations import perform
from tests.torture.tracer import Plan, Trace, Tracer


def main() -> None:
    """Answer requests until the input ends."""
    ptrace.require_machine()
    _load_what_children_load()
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


def _load_what_children_load() -> None:
    """Let a child do some work, and load here what it had to load for it."""
    known = set(sys.modules)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for suffix, text in (("md", "# A\n\nB"), ("html", "<p>\xe4</p>"), ("jsonl", "{}")):
                (root / f"a.{suffix}").write_text(text, encoding="latin-1")
            with suppress(RagError):
                perform("ingest", root.with_name(f"{root.name}.store"), folder)
        with open(writing, "w", encoding="ascii") as file:
            file.write("\n".join(sorted(set(sys.modules) - known)))
        shutil.rmtree(root.with_name(f"{root.name}.store"), ignore_errors=True)
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="ascii") as file:
        names = file.read().split()
    os.waitpid(pid, 0)
    for name in names:
        with suppress(ImportError):
            importlib.import_module(name)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    told = Path(request["told"])
    told.write_bytes(b"")
    if request["after_s"] is not None:
        trace = _killed_after(request, request["after_s"])
    else:
        trace = _traced(request)
    answer = asdict(trace)
    for call in answer["calls"]:
        call["data"] = base64.b64encode(call["data"]).decode()
    if answer["hit"]:
        answer["hit"].pop("data")
    answer["told"] = told.read_text(encoding="utf-8")
    return answer


def _traced(request: dict[str, Any]) -> Trace:
    given = request["plan"]
    plan = Plan(**{**given, "calls": frozenset(given["calls"])})
    pid = os.fork()
    if pid == 0:
        _child(request, plan)
    return Tracer(pid, plan, tuple(request["roots"]), _pause).follow()


def _pause(call: Call) -> None:
    """Tell the harness, and wait until it says to go on."""
    print(json.dumps({"paused": str(call)}), flush=True)
    sys.stdin.readline()


def _killed_after(request: dict[str, Any], seconds: float) -> Trace:
    """Not traced, so at full speed."""
    pid = os.fork()
    if pid == 0:
        _child(request, None)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return Trace(status=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _child(request: dict[str, Any], plan: Plan | None) -> None:
    """Perform the operation, tell what came of it, and end without returning."""
    code = 70
    try:
        told = os.open(request["told"], os.O_WRONLY)
        for name in request["mutants"]:
            mutants.apply(name)
        if plan is not None:
            ptrace.let_me_be_traced(plan.calls)
        code = _perform(request, told)
    finally:
        os._exit(code)


def _perform(request: dict[str, Any], told: int) -> int:
    try:
        snapshot = perform(request["operation"], Path(request["store"]), request["argument"])
        said = {"outcome": "done", "snapshot": snapshot}
    except RagError as error:
        said = {"outcome": "refused", "kind": type(error).__name__, "message": str(error)}
    except BaseException as error:  # what a user would see as a traceback
        message = f"{error} (in {_where(error)})"
        said = {"outcome": "broke", "kind": type(error).__name__, "message": message}
    os.write(told, json.dumps(said).encode())
    return 0 if said["outcome"] == "done" else 1


def _where(error: BaseException) -> str:
    """The last line of the project's own that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if "/corpus/" in one.filename or "/ingest/" in one.filename]
    return ", ".join(f"{one.filename.rpartition('/')[2]}:{one.lineno}" for one in own[-2:])


if __name__ == "__main__":
    main()
