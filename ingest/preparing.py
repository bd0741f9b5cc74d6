"""Sources to outcomes, in their order: what the run knows meets what each source is made into.

A source that a killed run had prepared is taken from the shelf; every other one is a
:class:`ingest.making.Task`, and what it came to is given its ids, counted and put on the shelf.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from corpus.identity import source_digest
from corpus.types import Document, LedgerRow, Status
from ingest import sidecar
from ingest.making import Cutting, Made, Maker, Task, make
from ingest.naming import Names
from ingest.prepared import Outcome, Prepared
from ingest.seen import Seen
from ingest.shelf import Shelf, Shelved
from ingest.sidecar import Sidecar
from ingest.sources import Source


@dataclass(frozen=True, slots=True)
class _Asked:
    """A source on its way."""

    task: Task
    names: tuple[str, ...]  # see _names_of
    shelved: Shelved | None

    @property
    def is_on_the_shelf(self) -> bool:
        return self.shelved is not None and self.shelved.is_of(self.task.source)


class Preparer:
    """Prepares the sources of a run.

    :param owners: the source of each document that stays, whose ids no record may take.
    :param shelf: what a run that was killed had prepared; what this one prepares goes there.
    """

    def __init__(
        self,
        names: Names,
        owners: Mapping[str, str],
        cutting: Cutting,
        seen: Seen,
        shelf: Shelf,
    ) -> None:
        self._names = names
        self._owners = {**owners, **{name: name for name in names.ids.values()}}
        self._cutting = cutting
        self._seen, self._shelf = seen, shelf
        self.bytes_read = 0  # of sources that were parsed and cut

    def outcomes(self, sources: Iterable[Source], maker: Maker) -> Iterator[Outcome]:
        """Take in sources, in their order. Whatever is wrong with one becomes its row."""
        asked: deque[_Asked] = deque()

        def tasks() -> Iterator[Task | None]:
            for source in sources:
                one = self._asked(source)
                asked.append(one)
                yield None if one.is_on_the_shelf else one.task

        for made in maker.each(tasks()):
            yield self._outcome(asked.popleft(), made)

    def _asked(self, source: Source) -> _Asked:
        beside = self._beside(source)
        names = self._names_of(source, beside)
        shelved = self._shelf.find(source, names)
        known = shelved.sha256 if shelved else ""
        return _Asked(Task(source, self._row(source), beside, known), names, shelved)

    def _outcome(self, asked: _Asked, made: Made | None) -> Outcome:
        read = asked.shelved if made is None else made.content
        if read is not None:
            self._seen.note(asked.task.source, read.sha256, read.read_at_ns)
        if made is not None and not made.is_known:
            return self._settled(asked, made)
        if taken := self._taken(asked.shelved):
            return taken
        again = replace(asked, task=replace(asked.task, known=""), shelved=None)
        return self._outcome(again, make(again.task, self._cutting))

    def _taken(self, shelved: Shelved | None) -> Outcome | None:
        """What the shelf has of a source; None where an id of it is taken now."""
        outcome = self._shelf.take(shelved) if shelved else None
        if outcome and all(self._claim(one.entry.document) for one in outcome.documents):
            return outcome
        return None

    def _settled(self, asked: _Asked, made: Made) -> Outcome:
        """What a source came to, less the records whose ids are taken."""
        if not made.is_parsed or made.content is None:
            return Outcome(made.row, ())
        self.bytes_read += made.row.size
        claims = [(one, self._claim(one.entry.document)) for one in made.documents]
        prepared = tuple(one for one, is_ours in claims if is_ours)
        clashes = [one.entry.document.id for one, is_ours in claims if not is_ours]
        row = _counted(made.row, prepared, clashes)
        outcome = Outcome(row, prepared if row.documents else ())
        if not clashes:  # whose ids are taken may be another question in the next run
            self._shelf.put(asked.task.source, asked.names, made.content, outcome)
        return outcome

    def _claim(self, document: Document) -> bool:
        """Whether an id is free, or this source's own; it is the source's from now on."""
        return self._owners.setdefault(document.id, document.source) == document.source

    def _beside(self, source: Source) -> Sidecar | None:
        """What the sidecar of a source says, if it has one."""
        if source.sidecar is None:
            return None
        beside = sidecar.read(source.sidecar)
        if beside.content is not None:
            self._seen.note(source.sidecar, beside.state, beside.content.read_at_ns)
        return replace(beside, content=None)

    def _names_of(self, source: Source, beside: Sidecar | None) -> tuple[str, ...]:
        """What a source comes to besides its content: its ids, and what its sidecar says."""
        name = self._names.ids[source.root, source.path]
        said = (beside.state,) if beside else ()
        return name, self._names.prefixes.get(name, ""), source.format, *said

    def _row(self, source: Source) -> LedgerRow:
        name = self._names.ids[source.root, source.path]
        return LedgerRow(
            source=name,
            root=source.root,
            path=source.path,
            status=Status.FAILED,
            size=source.stamp.size,
            format=source.format,
            prefix=self._names.prefixes.get(name, ""),
        )


def _counted(row: LedgerRow, prepared: Sequence[Prepared], clashes: list[str]) -> LedgerRow:
    """Complete the row of a source that was read."""
    reasons = [row.reason] if row.reason else []
    if clashes:
        reasons.append(f"{len(clashes)} records left out, their ids are taken: {clashes[0]!r} ...")
    chunks = sum(len(one.entry.chunks) for one in prepared)
    if not chunks:
        return replace(row, status=Status.EMPTY, reason="; ".join([*reasons, "no text"]))
    return replace(
        row,
        status=Status.INDEXED,
        reason="; ".join(reasons),
        documents=len(prepared),
        chunks=chunks,
        digest=source_digest(one.entry.digest for one in prepared),
    )
