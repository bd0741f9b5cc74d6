"""The system's own tracing, as much of it as the tracer needs. Linux on x86-64.

Not ``strace -e inject``: it counts calls for each thread apart, so that calls which a second
thread makes are passed over (seen with two threads and ``when=5``), and it does not hand on
what was written.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys

from tests.torture.calls import NUMBERS

_TRACEME, _CONT, _GETREGS, _SETREGS, _SYSCALL, _SETOPTIONS = 0, 7, 12, 13, 24, 0x4200
_OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x80 | 0x100000  # sysgood, (v)fork, clone, seccomp, exitkill
_SET_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _TRACE = 0x7FFF0000, 0x7FF00000
_REGISTERS = (  # in this order
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx"),
    *("rsi", "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base"),
    *("ds", "es", "fs", "gs"),
)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)


class Registers(ctypes.Structure):
    """The registers of a stopped thread."""

    _fields_ = [(name, ctypes.c_ulonglong) for name in _REGISTERS]  # as ctypes wants it

    @property
    def number(self) -> int:
        """Of the call that is being made."""
        return int(self.orig_rax)

    @property
    def arguments(self) -> tuple[int, ...]:
        """Of the call that is being made."""
        return (self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9)

    @property
    def result(self) -> int:
        """What the call returned: negative is an error."""
        return ctypes.c_longlong(self.rax).value


class _Instruction(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_ushort),
        ("when_true", ctypes.c_ubyte),
        ("when_false", ctypes.c_ubyte),
        ("operand", ctypes.c_uint),
    ]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("first", ctypes.POINTER(_Instruction))]


def require_machine() -> None:
    """End with a message where this cannot work."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        sys.exit(
            f"the crash harness traces calls of Linux on x86_64; this is {platform.platform()}. "
            "Run it on such a machine"
        )


def let_me_be_traced(calls: frozenset[str]) -> None:
    """In the child: stop, and from then on stop again before each of these calls."""
    _ptrace(_TRACEME, 0)
    os.kill(os.getpid(), 19)  # SIGSTOP: the tracer sets its options
    lines = [_Instruction(_LOAD, 0, 0, 0)]
    for number in sorted(NUMBERS[name] for name in calls):
        lines.append(_Instruction(_JUMP_IF_EQUAL, 0, 1, number))
        lines.append(_Instruction(_RETURN, 0, 0, _TRACE))
    lines.append(_Instruction(_RETURN, 0, 0, _ALLOW))
    program = _Program(len(lines), (_Instruction * len(lines))(*lines))
    for arguments in ((_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, program)):
        parts = [ctypes.byref(one) if isinstance(one, _Program) else one for one in arguments]
        if _libc.prctl(*parts):
            raise OSError(ctypes.get_errno(), "the filter for calls was refused")


def set_options(tid: int) -> None:
    """Follow the threads and children of a process, and end it when the tracer ends."""
    _ptrace(_SETOPTIONS, tid, _OPTIONS)


def go_on(tid: int, signal: int = 0) -> None:
    """Let a stopped thread run."""
    _ptrace(_CONT, tid, signal)


def go_on_to_result(tid: int) -> None:
    """Let a thread that stopped before a call run to its end."""
    _ptrace(_SYSCALL, tid)


def registers(tid: int) -> Registers:
    """The registers of a stopped thread."""
    found = Registers()
    _ptrace(_GETREGS, tid, ctypes.addressof(found))
    return found


def answer_instead(tid: int, result: int) -> None:
    """In a stop before a call: do not make it, and let it return ``result``."""
    changed = registers(tid)
    changed.orig_rax = ctypes.c_ulonglong(-1).value
    changed.rax = ctypes.c_ulonglong(result).value
    _ptrace(_SETREGS, tid, ctypes.addressof(changed))


def _ptrace(request: int, tid: int, data: int = 0) -> None:
    if _libc.ptrace(request, tid, None, data) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace {request:#x}: {os.strerror(number)}")
