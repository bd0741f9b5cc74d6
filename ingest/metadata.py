"""What is known of a document besides its text, from the nearest that says it.

A sidecar is believed before the document's own fields, and those before what its path says:
whoever writes a sidecar means to say something else than the document does. Names are the
same whatever their case. Nothing here comes from a file's times, so that the same content
gives the same snapshot wherever and whenever it was copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from corpus.globs import Path
from ingest.parsed import Parsed

_TITLE = "title"


class PathMetadata:
    """Names taken from paths: ``{team}/{year}/**`` says two things of ``hr/2024/leave.md``.

    :param patterns: where two say the same name, the first is believed.
    :raises corpus.globs.BadPattern: when one means nothing.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._patterns = [Path(pattern, names=True) for pattern in patterns]

    def of(self, path: str) -> dict[str, str]:
        """What a path below its root says."""
        found: dict[str, str] = {}
        for pattern in self._patterns:
            found = {**(pattern.match(path) or {}), **found}
        return found


def completed(parsed: Parsed, path: Mapping[str, str], sidecar: Mapping[str, str]) -> Parsed:
    """A document with what its path and its sidecar say of it.

    A sidecar's ``title`` becomes the title of the document; of a file that holds many it is a
    field like others.
    """
    said, title = dict(sidecar), parsed.title
    if parsed.record_id is None:
        for name in [name for name in said if name.casefold() == _TITLE]:
            title = said.pop(name)
    metadata = _over(_over(path, parsed.metadata), said)
    return replace(parsed, title=title, metadata=metadata)


def _over(base: Mapping[str, str], over: Mapping[str, str]) -> dict[str, str]:
    taken = {name.casefold() for name in over}
    kept = {name: value for name, value in base.items() if name.casefold() not in taken}
    return {**kept, **over}
