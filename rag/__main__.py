"""``rag`` and ``python -m rag``: the command line as a process of its own."""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from typing import NoReturn

from rag.cli import main


def process() -> NoReturn:
    """Run the command line, and end without taking apart what the system frees anyway.

    That takes a twentieth of a second where models are loaded. What was written is durable by then,
    and whatever was registered with ``atexit`` meanwhile has been called.
    """
    # OpenBLAS, which comes with NumPy, lets a thread for each core spin for 2 ** 26 cycles when it
    # has nothing to do, from its start on. Nothing here is worth that.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    # Short texts by the thousand go to a tokenizer: to hand each to another thread costs more.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Pydantic looks through all that is installed for what would have a say in its checks.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    endings: list[SystemExit] = []  # with all that their frames hold
    atexit.register(_end, endings)
    try:
        main()
    except SystemExit as ending:
        endings.append(ending)
        raise


def _end(endings: list[SystemExit]) -> None:
    """End with the code that there is; without one, and where the output fails, as Python does."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
        for ending in endings:
            if isinstance(ending.code, int):
                os._exit(ending.code)


if __name__ == "__main__":
    process()
