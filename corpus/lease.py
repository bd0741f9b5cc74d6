"""One writer at a time, also where several machines share the store: a lease beside the lock.

The lock (:mod:`corpus.lock`) is the kernel's, and a kernel knows its own processes only; on
some shared file systems it is no more than that. So whoever holds the lock also keeps a
file that says who it is, and touches it every few seconds. Who finds the file of

- a process of the same boot of the same machine: asks whether that process lives, and never
  breaks its lease while it does;
- another machine: believes in it until it has not been touched for :data:`STALE_S`. Both
  times are the file system's own, so that clocks need not agree.

A lease that is left behind is taken over, and whose it was is told. Before it publishes, a
writer asks with :func:`check` whether the lease is still its own: one that was stopped for so
long that another took over must not go on.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from corpus.errors import StoreBusy, StoreNotWritable

NAME = "LEASE"
BEAT_S = 10.0
"""How often the holder touches its lease."""

STALE_S = 90.0
"""How long the lease of another machine is believed in after it was last touched."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_FIELDS = {"host": str, "boot": str, "space": str, "process": int, "born": str, "started": str}


@dataclass(frozen=True, slots=True)
class Holder:
    """A process, as it can be told from every other one."""

    host: str  # for humans: names are not always different
    boot: str  # of the machine since it was started: the same in all of its containers
    space: str  # the numbering that the number of the process belongs to
    process: int
    born: str  # of the process, in the clock of the boot: numbers are used again
    started: str = ""  # the run: ISO 8601, UTC

    def told(self) -> str:
        """For a message."""
        since = f", since {self.started}" if self.started else ""
        return f"process {self.process} on {self.host}{since}"

    def is_same_process(self, other: Holder) -> bool:
        """Whether this is the other, whatever run it is in."""
        mine = (self.boot, self.space, self.process, self.born)
        return mine == (other.boot, other.space, other.process, other.born)


def this_process() -> Holder:
    """The calling process."""
    pid = os.getpid()
    started = datetime.now(UTC).isoformat("T", "seconds")
    return Holder(platform.node() or "this machine", _boot(), _space(), pid, _born(pid), started)


def settle(store: Path) -> Holder | None:
    """Make sure that nobody holds the lease. The caller holds the store's lock.

    :return: whose lease was left behind and is gone now, if there was one.
    :raises StoreBusy: while another process of this machine, or another machine, holds it.
    :raises StoreNotWritable: when what was left behind cannot be removed.
    """
    path = store / NAME
    if not path.exists():
        return None
    found = read(store)
    with _told(path):
        if found is not None:
            _refuse_living(store, found, this_process())
        _set_aside(path, found)
    return found


@contextmanager
def held(store: Path, beat_s: float = BEAT_S) -> Iterator[None]:
    """Hold the lease for the length of the block. The caller holds the store's lock.

    :raises StoreBusy: when another was quicker since :func:`settle`.
    :raises StoreNotWritable: when it cannot be written.
    """
    me, path, stopping = this_process(), store / NAME, threading.Event()
    with _told(path):
        _make(path, me)
    beating = threading.Thread(target=_beat, args=(store, beat_s, stopping), daemon=True)
    beating.start()
    try:
        yield
    finally:
        stopping.set()
        beating.join()
        found = read(store)
        if found is not None and found.is_same_process(me):
            with suppress(OSError):
                path.unlink()


def check(store: Path) -> None:
    """Ask whether another has taken the lease. To be called last before a snapshot is named.

    :raises StoreBusy: when it is another's.
    """
    found = read(store)
    if found is not None and not found.is_same_process(this_process()):
        raise StoreBusy(
            f"the store {store} was taken over by {found.told()}, because this run gave no sign "
            f"of life for {STALE_S:.0f} s; nothing was published. Run this again"
        )


def is_held_elsewhere(store: Path) -> bool:
    """Whether another machine is writing, as far as its lease says."""
    try:
        found = read(store)
        return found is not None and found.boot != _boot() and not _is_stale(store)
    except OSError:
        return False


def read(store: Path) -> Holder | None:
    """Who holds the lease, or left it behind; None where nobody does."""
    return _parsed(store / NAME)


def _parsed(path: Path) -> Holder | None:
    try:
        said = json.loads(path.read_bytes())
        return Holder(**{name: type_(said[name]) for name, type_ in _FIELDS.items()})
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell in the project's own terms why the lease cannot be had."""
    try:
        yield
    except FileExistsError:
        now = read(path.parent)
        raise StoreBusy(_busy(path.parent, now.told() if now else "another process")) from None
    except OSError as error:
        raise StoreNotWritable(f"the lease {path} cannot be written: {error.strerror}") from error


def _refuse_living(store: Path, found: Holder, me: Holder) -> None:
    if found.boot == me.boot:
        # The lock is this kernel's, and we hold it: only where it is none can this one live.
        alive = found.space == me.space and found.process != me.process
        if alive and _born(found.process) == found.born:
            raise StoreBusy(_busy(store, found.told()))
    elif not _is_stale(store):
        raise StoreBusy(
            _busy(store, found.told())
            + f"; if that machine is gone, the lease ends {STALE_S:.0f} s after its last sign"
        )


def _busy(store: Path, holder: str) -> str:
    return f"{holder} is writing to the store {store}; wait for it to end, then run this again"


def _is_stale(store: Path) -> bool:
    """Whether the lease has not been touched for long, by the clock of its file system."""
    probe = _aside(store / NAME)
    try:
        probe.touch(exist_ok=False)
        now = probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)
    with open(store / NAME, "rb") as file:  # opening asks the server, where there is one
        return now - os.fstat(file.fileno()).st_mtime > STALE_S


def _make(path: Path, me: Holder) -> None:
    """Make the file whole under its name, and only where there is none."""
    said = json.dumps(asdict(me)).encode()
    aside = _aside(path)
    try:
        aside.write_bytes(said)
        os.link(aside, path)
    except FileExistsError:
        raise
    except OSError:  # no second names on this file system
        with path.open("xb") as file:
            file.write(said)
    finally:
        aside.unlink(missing_ok=True)


def _set_aside(path: Path, expected: Holder | None) -> None:
    """Remove a lease that was left behind, unless another has just made it its own.

    :raises FileExistsError: when another has.
    """
    aside = _aside(path)
    os.rename(path, aside)
    found = _parsed(aside)
    if found is None or found == expected:
        aside.unlink()
        return
    with suppress(OSError):
        os.link(aside, path)
    aside.unlink()
    raise FileExistsError


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")


def _beat(store: Path, every_s: float, stopping: threading.Event) -> None:
    me = this_process()
    while not stopping.wait(every_s):
        found = read(store)
        if found is None or not found.is_same_process(me):
            return  # check() will tell
        with suppress(OSError):  # one that cannot be touched grows old
            os.utime(store / NAME)


def _boot() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:  # outside Linux: as good as its name
        return platform.node()


def _space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _born(process: int) -> str:
    """When a process began, in the clock of the boot; empty where there is none of that number."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        return stat.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
