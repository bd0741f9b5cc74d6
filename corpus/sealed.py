"""Caches as JSON files that carry the hash of what they say, in a first line.

A cache is safe to delete: one that is missing or damaged is read as none, and one that cannot
be written costs time later and fails nothing.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from corpus import files


def read(path: Path) -> Any:
    """What was written; None where there is nothing, or it is not what was written."""
    try:
        checksum, _, data = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return json.loads(data) if _checksum(data) == checksum else None


def write(path: Path, value: object) -> None:
    """Put a value in place of what is there, in one step."""
    data = json.dumps(value, sort_keys=True).encode()
    with suppress(OSError):
        files.replace(path, _checksum(data) + b"\n" + data)


def _checksum(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()
