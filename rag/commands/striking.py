"""Ways in which a file may be damaged, by chance."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Struck:
    """A file that was damaged."""

    kind: str
    place: str  # below the store
    rotted: bool  # without a trace: with the time of writing that it had


Strike = Callable[[random.Random, Path, Path], None]


def _flip(chance: random.Random, path: Path, _: Path) -> None:
    data = bytearray(path.read_bytes() or b"\0")
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def _cut(chance: random.Random, path: Path, _: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(len(data) or 1)])


def _zero(chance: random.Random, path: Path, _: Path) -> None:
    data = bytearray(path.read_bytes())
    start = chance.randrange(0, len(data) or 1, 4096)
    data[start : start + 4096] = bytes(len(data[start : start + 4096]))
    path.write_bytes(data)


def _swap(_: random.Random, path: Path, other: Path) -> None:
    path.write_bytes(other.read_bytes())


def _delete(_: random.Random, path: Path, __: Path) -> None:
    path.unlink()


STRIKES: dict[str, Strike] = {
    "with a bit flipped": _flip,
    "cut off": _cut,
    "with a page zeroed": _zero,
    "in place of another": _swap,
    "removed": _delete,
}
"""By what is told of them."""
