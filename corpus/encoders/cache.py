"""Compiled embedding models, made once for a machine and kept.

A graph belongs to the weights, the recipe, the runtime and the instructions of the processor,
and is found under a hash of all of them, so nothing ever has to be thrown away for being out
of date. Only bytes that have the hash of their record are loaded; where they have not, the
graph is made anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import Any, Generic, TypeVar

from corpus.embedding import verify
from corpus.encoders.processor import instructions
from corpus.encoders.record import GRAPH, RECORD, Record, read_record
from corpus.errors import CompilationFailed, StoreBusy, StoreNotWritable
from corpus.files import map_checked, remove_folder, staging
from corpus.fingerprint import Fingerprint
from corpus.hashes import user_cache
from corpus.lock import exclusive

log = logging.getLogger(__name__)

_PATIENCE_S = 600  # compiling takes some 30 s; several times that on a busy machine

Loaded = TypeVar("Loaded")


@dataclass(frozen=True, slots=True)
class Kind(Generic[Loaded]):
    """What a model is compiled for, and what computes with it."""

    purpose: str  # questions, documents
    recipe: int  # goes up when the same weights would become another graph
    version: Callable[[], str]  # of what computes
    load: Callable[[mmap, Record], Loaded]


def compiled(
    kind: Kind[Loaded], model: Path, space: Fingerprint, cache: Path | None = None
) -> Loaded:
    """The compiled form of a model, made now where there is none yet.

    :param model: the folder with its files.
    :param cache: the folder for compiled models; None for that of the user.
    :raises CompilationFailed: when it cannot be made, kept or loaded, with the reason.
    :raises ModelUnavailable: when the model's files are not those of the space; they are looked
        at when it is to be made.
    """
    home = (cache or cache_folder()) / key(kind, space)
    try:
        return _kept(kind, home) or _made(kind, model, space, home)
    except StoreBusy as error:
        raise CompilationFailed(
            f"another process has been compiling it for {_PATIENCE_S} s"
        ) from error
    except (OSError, StoreNotWritable) as error:
        raise CompilationFailed(
            f"the folder {home.parent} cannot be used ({error.__cause__ or error}); "
            "name another with XDG_CACHE_HOME"
        ) from error


def cache_folder() -> Path:
    """Where compiled models are kept."""
    return user_cache() / "encoders"


def key(kind: Kind[Any], space: Fingerprint) -> str:
    """The folder of a compiled model: a hash of all that the graph hangs on."""
    made = [kind.purpose, kind.recipe, kind.version(), instructions()]
    parts = [dict(space.files), space.max_tokens, *made]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _kept(kind: Kind[Loaded], home: Path) -> Loaded | None:
    """The graph that was kept; None where there is none, or it is damaged."""
    try:
        record = read_record(home / RECORD)
        data = map_checked(home / GRAPH, record.file)
        return kind.load(data, record)
    except FileNotFoundError:
        return None
    except (ValueError, RuntimeError) as error:  # msgspec's and the runtimes' own are of these
        log.warning("the compiled embedding model in %s is made anew: %s", home, error)
        return None


def _made(kind: Kind[Loaded], model: Path, space: Fingerprint, home: Path) -> Loaded:
    """Have it compiled, by one process at a time, and keep it."""
    log.warning(
        "compiling the embedding model for %s, once on this machine; it takes some 30 seconds",
        kind.purpose,
    )
    with exclusive(home.parent / "LOCK", patience_s=_PATIENCE_S):
        graph = _kept(kind, home)  # by another process meanwhile
        if graph is None:
            verify(model, space)
            for left in home.parent.glob("tmp-*"):  # by a process that was killed
                remove_folder(left)
            with staging(home.parent) as into:
                _compile(kind.purpose, model, space.max_tokens, into)
                graph = _kept(kind, into)
                remove_folder(home)
                into.rename(home)
    if graph is None:
        raise CompilationFailed(f"what was written to {home} cannot be read back")
    return graph


def _compile(purpose: str, model: Path, max_tokens: int, into: Path) -> None:
    """Run the compiler as a process of its own, whose memory ends with it."""
    command = [sys.executable, "-m", "corpus.encoders.compiling"]
    try:
        ran = subprocess.run(  # noqa: S603 - our own module, and paths
            [*command, purpose, str(model), str(max_tokens), str(into)],
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        raise CompilationFailed(f"compiling took more than {_PATIENCE_S} s") from None
    if ran.returncode:
        said = ran.stderr.strip().splitlines() or ["it said nothing"]
        raise CompilationFailed(f"compiling ended with code {ran.returncode}: {said[-1]}")
    if ran.stdout:
        log.warning("%s are embedded in a slower form: %s", purpose, ran.stdout.strip())
