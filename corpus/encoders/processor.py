"""What the processor of this machine can compute, as far as compiled models hang on it."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

_INT8 = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}
_INSTRUCTIONS = {"avx2", "avx512f", "avx512_bf16", "amx_bf16", *_INT8}
"""What decides how products are computed, as Linux names it."""


def instructions() -> list[str]:
    """The architecture, and those of the processor's instructions that matter."""
    return [platform.machine(), *sorted(_INSTRUCTIONS & _flags())]


def has_int8_products() -> bool:
    """Whether sums of int8 products are one instruction, and so faster than float."""
    return bool(_INT8 & _flags())


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _flags() -> frozenset[str]:
    try:
        said = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        said = ""
    return frozenset(said.split())
