"""The memory of a process: a bound on it, what is told when it is hit, and giving it back.

The bound is on data (``RLIMIT_DATA``): what a process allocates, not what it maps, so that
the files of large libraries do not count. On Linux; elsewhere it may bound less.
"""

from __future__ import annotations

import errno
import mmap
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from corpus.errors import OutOfMemory

_SIGNS = (
    *("allocate memory", "bad_alloc", "bad allocation", "out of memory"),
    *("failed to map segment", "cannot map"),  # a library that could not be loaded
)
_FIRST_TO_GO = "500"  # of 1000: see proc_pid_oom_score_adj(5)


def bound(megabytes: float | None) -> None:
    """Bound the memory of this process and of what it starts.

    Also has the kernel end this process rather than another, such as the one that answers,
    where the memory of the machine runs out.

    :param megabytes: None for no bound of its own.
    """
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
    if megabytes is not None:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        wanted = int(megabytes * 1e6)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def give_back() -> None:
    """Give memory that was freed back to the system, which glibc keeps to itself otherwise.

    Loading frees much at once: what a model was parsed from, files that were read to be checked.
    Does nothing where the C library is another.
    """
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def let_go(mapped: mmap.mmap) -> None:
    """Let the pages of a mapped file go from this process.

    The system holds them for as long as it has room, and they come back when they are read.
    """
    mapped.madvise(mmap.MADV_DONTNEED)


@contextmanager
def errors() -> Iterator[None]:
    """Tell in the project's own terms that memory ran out.

    :raises OutOfMemory: in place of an error that says so, of Python or of a library.
    """
    try:
        yield
    except Exception as error:
        if not _is_of_memory(error):
            raise
        raise OutOfMemory(_told()) from error


def _told() -> str:
    bound_ = resource.getrlimit(resource.RLIMIT_DATA)[0]
    if bound_ == resource.RLIM_INFINITY:
        return "the run needed more memory than there is; nothing was published"
    return (
        f"the run needed more than the {bound_ / 1e6:,.0f} MB of memory that it may have; nothing "
        "was published. Raise schedule.memory_mb, or leave it unset for no bound"
    )


def _is_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error).lower()
    return isinstance(error, RuntimeError | ImportError) and any(sign in text for sign in _SIGNS)
