"""What a stopped thread is about to do: its call, with paths and data."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace

from tests.torture.calls import AT_PATH, NAMES, O_APPEND, TWO_PATHS, Call
from tests.torture.ptrace import Registers

_HERE = -100  # AT_FDCWD
_WRITES = frozenset({"write", "pwrite64"})


def look(tid: int, registers: Registers, *, closely: bool) -> Call:
    """The call that a thread which stopped before it is about to make.

    :param closely: also inodes, offsets and the bytes that are written.
    """
    name, arguments = NAMES[registers.number], registers.arguments
    if name not in AT_PATH:
        path = descriptor_path(tid, arguments[0])
        call = Call(name, path)
        return _with_data(tid, call, arguments) if closely else call
    at = AT_PATH[name]
    path = _path(tid, at, arguments, 0 if at is None else at + 1)
    other = ""
    if name in TWO_PATHS:
        first = TWO_PATHS[name]
        plain = at is None
        other = _path(tid, None if plain else first, arguments, first if plain else first + 1)
    flags = arguments[1] if name == "open" else arguments[2] if name == "openat" else 0
    if name == "creat":
        flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC
    call = Call(name, path, other, flags)
    return _with_inodes(call) if closely else call


def after(call: Call) -> Call:
    """The same call once it was made, with the inode of what it made."""
    if call.inode == 0 and call.name in {"open", "openat", "creat", "mkdir", "mkdirat"}:
        return replace(call, inode=_inode(call.path))
    return call


def descriptor_path(tid: int, descriptor: int) -> str:
    """Where the file of a descriptor is; empty for none."""
    with suppress(OSError):
        return os.readlink(f"/proc/{tid}/fd/{_signed(descriptor)}").removesuffix(" (deleted)")
    return ""


def _with_inodes(call: Call) -> Call:
    return replace(
        call,
        inode=_inode(call.path),
        parent=_inode(os.path.dirname(call.path)),
        other_parent=_inode(os.path.dirname(call.other)) if call.other else 0,
        replaced=_inode(call.other) if call.other else 0,
    )


def _with_data(tid: int, call: Call, arguments: tuple[int, ...]) -> Call:
    descriptor = f"/proc/{tid}/fd/{_signed(arguments[0])}"
    try:
        status = os.stat(descriptor)
    except OSError:
        return call
    call = replace(call, inode=status.st_ino)
    if call.name == "ftruncate":
        return replace(call, offset=arguments[1])
    if call.name not in _WRITES:
        return call
    if call.name == "pwrite64":
        offset = arguments[3]
    else:
        fields = dict(_fields(f"/proc/{tid}/fdinfo/{_signed(arguments[0])}"))
        appends = int(fields["flags"], 8) & O_APPEND
        offset = status.st_size if appends else int(fields["pos"])
    return replace(call, offset=offset, data=_memory(tid, arguments[1], arguments[2]))


def _fields(path: str) -> list[tuple[str, str]]:
    with open(path, encoding="ascii") as file:
        pairs = (line.partition(":") for line in file)
        return [(name, value.strip()) for name, _, value in pairs]


def _path(tid: int, at: int | None, arguments: tuple[int, ...], place: int) -> str:
    name = os.fsdecode(_text(tid, arguments[place])) if arguments[place] else ""
    if os.path.isabs(name):
        return os.path.normpath(name)
    if at is None or _signed(arguments[at]) == _HERE:
        base = os.readlink(f"/proc/{tid}/cwd")
    else:
        base = descriptor_path(tid, arguments[at])
    return os.path.normpath(os.path.join(base, name)) if name else base


def _text(tid: int, address: int) -> bytes:
    """Bytes up to a NUL; read up to the end of a page, since the next may not be there."""
    found = b""
    while b"\0" not in found:
        found += _memory(tid, address + len(found), 4096 - (address + len(found)) % 4096)
    return found.partition(b"\0")[0]


def _memory(tid: int, address: int, length: int) -> bytes:
    with open(f"/proc/{tid}/mem", "rb", buffering=0) as memory:
        return os.pread(memory.fileno(), length, address)


def _inode(path: str) -> int:
    try:
        return os.lstat(path).st_ino
    except OSError:
        return 0


def _signed(value: int) -> int:
    return (value & 0xFFFFFFFF) - (1 << 32 if value & 0x80000000 else 0)
