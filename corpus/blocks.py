"""Parts of a large file that can be believed without reading the rest of it.

The hash of a whole file is checked by reading all of it. So a large file has another one
beside it with the hash of each of its blocks; that one is small, and its own hash is in the
manifest.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from corpus.files import FileRecord

_BLOCK = 1 << 16  # bytes
_SUM = 32  # bytes of a SHA-256


class BlockSums:
    """Hashes a file block by block while it is written."""

    def __init__(self) -> None:
        self._sums = bytearray()
        self._block, self._filled = hashlib.sha256(), 0

    def update(self, data: bytes) -> None:
        """The next bytes of the file."""
        rest = memoryview(data)
        while rest:
            piece = rest[: _BLOCK - self._filled]
            self._block.update(piece)
            self._filled += len(piece)
            rest = rest[len(piece) :]
            if self._filled == _BLOCK:
                self._close()

    def to_bytes(self) -> bytes:
        """The hashes, one after the other. The file is complete."""
        if self._filled:
            self._close()
        return bytes(self._sums)

    def _close(self) -> None:
        self._sums += self._block.digest()
        self._block, self._filled = hashlib.sha256(), 0


class BlockReader:
    """Reads parts of a file, and checks the blocks that they touch.

    :param record: of the whole file.
    :param sums: what :class:`BlockSums` gave, from bytes that were verified.
    :raises ValueError: when file and hashes have not the sizes that belong together.
    :raises OSError: here and in :meth:`read`, when it cannot be read.
    """

    def __init__(self, path: Path, record: FileRecord, sums: bytes) -> None:
        self._path, self._sums, self.size = path, sums, record.size
        if len(sums) != _SUM * -(-record.size // _BLOCK):
            raise ValueError(f"{path.name} has {record.size} bytes and {len(sums)} of hashes")
        if path.stat().st_size != record.size:
            raise ValueError(f"{path.name} has not the {record.size} bytes that were written")
        self._file = path.open("rb", buffering=0)
        self._number, self._held = -1, b""  # the block that was read last

    def read(self, start: int, length: int) -> bytes:
        """These bytes of the file.

        :raises ValueError: when a block that they lie in is not what was written.
        """
        first, last = start // _BLOCK, (start + length - 1) // _BLOCK
        data = b"".join(self._checked(number) for number in range(first, last + 1))
        return data[start - first * _BLOCK :][:length]

    def _checked(self, number: int) -> bytes:
        if number != self._number:
            data = os.pread(self._file.fileno(), _BLOCK, number * _BLOCK)
            expected = self._sums[number * _SUM : (number + 1) * _SUM]
            if hashlib.sha256(data).digest() != expected:
                raise ValueError(f"block {number} of {self._path.name} fails its checksum")
            self._number, self._held = number, data
        return self._held

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
