"""Why vLLM ended: its log as one plain sentence, and whether starting it again can help.

A failed start says its reason somewhere in some hundred lines of three processes. What is
known is in :mod:`rag.engines.vllm.symptoms`; of anything else the last error is quoted.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from rag.engines.vllm.symptoms import TABLE, Mend

_QUOTED = 300  # characters of an error that is not known


@dataclass(frozen=True, slots=True)
class Failure:
    """Why it ended, and what to do."""

    reason: str
    mend: Mend


def explain(log: str, code: int, model: str) -> Failure:
    """Say why vLLM ended.

    :param log: the end of what it wrote.
    :param code: its exit code, 128 plus the signal where it was ended by one.
    :param model: the model it should serve, as the settings name it.
    """
    for symptom in TABLE:
        if found := symptom.pattern.search(log):
            text = f"{symptom.wrong}; {symptom.todo}"
            return Failure(text.format(model=model, **found.groupdict()), symptom.mend)
    if code > 128:
        return Failure(_ended_by(code - 128), Mend.SOON)
    if last := last_error(log):
        said = f"its last error: {last}"
    elif _CRASH.search(log):
        said = "one of its processes was killed or crashed, `dmesg` says whether memory ran out"
    else:
        said = "it wrote no error"
    return Failure(f"vLLM ended with exit code {code}; {said}", Mend.SOON)


def last_error(log: str) -> str:
    """The last exception that says more than that another process, or one request, has failed."""
    errors = [
        found["error"].strip() for found in _ERROR.finditer(log) if not _HOLLOW.search(found[0])
    ]
    return errors[-1][:_QUOTED] if errors else ""


def _ended_by(number: int) -> str:
    if number == signal.SIGKILL:
        return (
            "vLLM was killed, most often by the kernel because memory had run out; "
            "`dmesg` says whether it was, a smaller model or VLLM_CPU_KVCACHE_SPACE needs less"
        )
    known = {each.value: each.name for each in signal.Signals}
    return f"vLLM was ended by the signal {known.get(number, number)}"


_PREFIX = r"^(?:\([^)]*\) )?(?:ERROR [^\]]*\] )?"
"""What stands before a message: the process, then level, time and source line."""

_ERROR = re.compile(
    _PREFIX + r"(?:[\w.]*(?:Error|Exception): (?!\d+ validation error)| {2}Value error, )"
    r"(?P<error>.+?)(?: \[type=.*)?$",
    re.MULTILINE,
)
# vllm/v1/engine/utils.py, vllm/v1/engine/core_client.py, vllm/v1/executor/multiproc_executor.py;
# those of vllm/exceptions.py end one request and not the server
_HOLLOW = re.compile(
    r"See root cause above|See stack trace|EngineDeadError|\bvllm\.exceptions\.\w+: "
)
_CRASH = re.compile(r"engine core exited unexpectedly|Worker proc \S+ died unexpectedly")
