"""The ids that sources and records get: short where they can be, never shared.

A source's id is its path below its root. Only where two roots hold the same path does the
later root put its own name before it. A record is named by its own id, in the folder of
its file. Ids follow from which files there are, and not from the order of runs, so a fresh
store over the same folders has the same ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import PurePosixPath

from corpus.roots import Root

Place = tuple[int, str]
"""Where a source is: the key of its root and its path below it."""


@dataclass(frozen=True, slots=True)
class Names:
    """The ids of one run."""

    ids: Mapping[Place, str] = field(default_factory=dict)  # of sources
    prefixes: Mapping[str, str] = field(default_factory=dict)  # of records, by source id


def source_ids(
    roots: Sequence[Root], places: Iterable[Place], taken: Iterable[str] = ()
) -> dict[Place, str]:
    """Give every place an id of its own; earlier roots come first.

    :param taken: ids that are in use outside these places.
    """
    names = {root.key: root.name for root in roots}
    ids: dict[Place, str] = {}
    taken = set(taken)
    for key, path in sorted(places):
        chosen = path
        if path in taken:
            chosen = next(one for one in _longer(path, key, names) if one not in taken)
        ids[key, path] = chosen
        taken.add(chosen)
    return ids


def _longer(path: str, key: int, names: Mapping[int, str]) -> Iterator[str]:
    """Names for a path of which another root has one, plain ones first."""
    name = names.get(key, str(key))
    yield f"{name}/{path}"
    yield from (f"{name}-{number}/{path}" for number in count(key))


def record_prefixes(sources: Iterable[str]) -> Mapping[str, str]:
    """What is put before the ids of the records of each of these sources.

    The folder of the file; and the file's own name too, where its folder holds several.
    """
    sources = list(sources)
    folders = Counter(PurePosixPath(source).parent for source in sources)
    return {
        source: f"{source}/" if folders[parent] > 1 else _below(parent)
        for source in sources
        for parent in [PurePosixPath(source).parent]
    }


def _below(folder: PurePosixPath) -> str:
    return "" if folder == PurePosixPath() else f"{folder}/"
