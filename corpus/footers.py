"""Whether a file of tantivy reads back as tantivy wrote it.

It ends each of its data files with a footer: the checksum of all that stands before as JSON, the
length of that, and a number that marks a footer, four bytes each, little endian
(``tantivy/src/directory/footer.rs``). A disk may say that it wrote what it lost, and nobody has
hashed these bytes on their way; so this is asked before a snapshot is published.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

_MARK = (1337).to_bytes(4, "little")
_NUMBER = 4  # bytes
_LISTS = ".json"  # which files there are: JSON, and nothing else


def check(path: Path) -> None:
    """Compare a file with the checksum that it ends with.

    :raises OSError: when it is not what was written.
    """
    data = path.read_bytes()
    if not (_parsed(data) if path.suffix == _LISTS else _agrees(data)):
        raise OSError(f"{path.name} does not read back as it was written")


def _agrees(data: bytes) -> bool:
    length = int.from_bytes(data[-2 * _NUMBER : -_NUMBER], "little")
    begin = len(data) - 2 * _NUMBER - length
    if not data.endswith(_MARK) or begin < 0:
        return False
    footer = _parsed(data[begin : begin + length])
    return isinstance(footer, dict) and footer.get("crc") == zlib.crc32(data[:begin])


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None
