"""What ``rag doctor`` looks at: what is installed, which models are here, how the store stands."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from corpus import disk, lease, lock, recovery
from corpus.embedding import identify, model_folder, verify
from corpus.encoders.cache import cache_folder
from corpus.encoders.record import GRAPH, RECORD, read_record
from corpus.errors import CorpusError, RagError, StoreBusy
from corpus.files import read_checked
from corpus.runs import Outcome, RunLog
from corpus.settings import EmbeddingSettings, Settings
from corpus.store import LOCK, QUARANTINE, Store
from corpus.verifying import Verifier, told

LIBRARIES = (
    *("faiss-cpu", "tantivy", "numpy", "sentence-transformers", "torch", "transformers"),
    *(
        "tokenizers",
        "onnxruntime",
        "openvino",
        "flask",
        "gunicorn",
        "pydantic",
        "msgspec",
        "beautifulsoup4",
        "croniter",
    ),
)
_MIN_PYTHON = (3, 11)
_BAD_ENDS = {Outcome.FAILED, Outcome.CRASHED, Outcome.REFUSED}


class Verdict(StrEnum):
    """How one thing stands."""

    WELL = "well"
    NOTE = "note"  # nothing is wrong, and somebody may want to know
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    about: str
    verdict: Verdict
    detail: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything. Changes nothing."""
    store = Store(settings.store)
    yield _python()
    yield _libraries()
    yield _told("embedding model", lambda: _verified(settings.embedding))
    yield _compiled(settings)
    yield _place(store, settings)
    yield _space(store, settings)
    yield _answering(store)
    yield from _snapshots(store)
    yield _tags(store)
    yield _quarantine(store)
    yield _writer(store)
    yield _runs(store)


def _verified(settings: EmbeddingSettings) -> str:
    space = identify(settings)
    verify(model_folder(settings.model), space)
    return str(space)


def _python() -> Finding:
    good = sys.version_info >= _MIN_PYTHON
    wanted = "" if good else f"; {'.'.join(map(str, _MIN_PYTHON))} or newer is needed"
    detail = f"{platform.python_version()} on {platform.machine()}, {os.cpu_count()} processors"
    return Finding("python", Verdict.WELL if good else Verdict.BAD, detail + wanted)


def _libraries() -> Finding:
    found, missing = [], []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        detail = f"missing: {', '.join(missing)}; run `make install`"
        return Finding("libraries", Verdict.BAD, detail)
    return Finding("libraries", Verdict.WELL, ", ".join(found))


def _compiled(settings: Settings) -> Finding:
    """Whether what was compiled can be loaded; a damaged one is made anew when it is needed."""
    about, home = "compiled models", cache_folder()
    if not settings.embedding.compiled:
        return Finding(about, Verdict.NOTE, "not used: embedding.compiled is false")
    kept = sorted(path.parent for path in home.glob(f"*/{GRAPH}"))
    if not kept:
        return Finding(
            about,
            Verdict.NOTE,
            f"none in {home} yet; the first run and the first question make them",
        )
    damaged = [folder.name for folder in kept if not _loads(folder)]
    if damaged:
        detail = f"damaged in {home}: {', '.join(damaged)}; made anew when it is needed next"
        return Finding(about, Verdict.NOTE, detail)
    return Finding(about, Verdict.WELL, f"{len(kept)} in {home}")


def _loads(folder: Path) -> bool:
    try:
        read_checked(folder / GRAPH, read_record(folder / RECORD).file)
    except (OSError, ValueError):
        return False
    return True


def _place(store: Store, settings: Settings) -> Finding:
    kind = disk.kind_of(store.path) or "a file system of unknown kind"
    where = f"{store.path.absolute()} on {kind}"
    if disk.is_network(kind):
        allowed = settings.ingest.allow_network_store
        told = f"{where}, which is not this machine's: it is read, and "
        told += "written because ingest.allow_network_store says so" if allowed else "not written"
        return Finding("store", Verdict.NOTE if allowed else Verdict.BAD, told)
    if store.path.exists() and not os.access(store.path, os.W_OK | os.X_OK):
        return Finding("store", Verdict.BAD, f"{where}: this user may not write there")
    return Finding("store", Verdict.WELL, where)


def _space(store: Store, settings: Settings) -> Finding:
    space = disk.space_of(store.path)
    kept_free = disk.reserve(space, settings.ingest.reserve_mb)
    detail = f"{space.free / 1e9:.1f} GB of {space.total / 1e9:.1f} GB"
    if space.free < kept_free:
        detail += f"; runs leave {kept_free / 1e9:.2f} GB free, and will be refused"
        return Finding("free space", Verdict.BAD, detail)
    return Finding("free space", Verdict.WELL, detail)


def _answering(store: Store) -> Finding:
    answers = recovery.answering(store)
    if answers.problem:
        return Finding("answers", Verdict.BAD, answers.problem)
    if answers.id is None:
        return Finding("answers", Verdict.NOTE, "no snapshot yet; run `rag ingest FOLDER`")
    counts = store.manifest(answers.id).counts
    held = f"{counts['documents']} documents in {counts['chunks']} chunks"
    return Finding("answers", Verdict.WELL, f"snapshot {answers.id}: {held}")


def _snapshots(store: Store) -> Iterator[Finding]:
    """Every file of every snapshot."""
    verifier, sound = Verifier(store.path), 0
    for one in store.snapshots():
        try:
            damage = verifier.damage(one.id)
        except CorpusError as error:
            yield Finding("snapshot", Verdict.BAD, str(error))
            continue
        if damage:
            yield Finding("snapshot", Verdict.BAD, told(one.id, damage))
        sound += not damage
    if sound:
        yield Finding("snapshots", Verdict.WELL, f"{sound} sound, every file by its hash")


def _tags(store: Store) -> Finding:
    def listed() -> str:
        return ", ".join(f"{tag} {name}" for tag, name in store.tags().items()) or "none"

    return _told("tags", listed)


def _quarantine(store: Store) -> Finding:
    try:
        held = sorted(os.listdir(store.path / QUARANTINE))
    except OSError:
        held = []
    if not held:
        return Finding("quarantine", Verdict.WELL, "empty")
    detail = f"{len(held)} in {store.path / QUARANTINE}; delete what nobody wants to look at"
    return Finding("quarantine", Verdict.NOTE, detail)


def _writer(store: Store) -> Finding:
    if lease.is_held_elsewhere(store.path) and (holder := lease.read(store.path)) is not None:
        return Finding("writer", Verdict.NOTE, holder.told())
    if not (store.path / LOCK).exists():
        return Finding("writer", Verdict.WELL, "nobody")
    try:
        with lock.exclusive(store.path / LOCK, patience_s=0):
            return Finding("writer", Verdict.WELL, "nobody")
    except StoreBusy as error:
        return Finding("writer", Verdict.NOTE, str(error).partition(";")[0])
    except CorpusError as error:
        return Finding("writer", Verdict.BAD, str(error))


def _runs(store: Store) -> Finding:
    log = RunLog(store.path)
    last = next(iter(log.runs(being_written=store.is_being_written())), None)
    good = f"in step {log.last_success() or 'never'}"
    if last is None:
        return Finding("last run", Verdict.NOTE, f"none on record; {good}")
    verdict = Verdict.BAD if last.outcome in _BAD_ENDS else Verdict.WELL
    return Finding("last run", verdict, f"{last.started} {last.outcome}: {last.detail}; {good}")


def _told(about: str, look: Callable[[], str]) -> Finding:
    """What was found, or the error that says why it was not."""
    try:
        return Finding(about, Verdict.WELL, look())
    except RagError as error:
        return Finding(about, Verdict.BAD, str(error))
