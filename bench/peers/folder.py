"""The folder that every side takes in: real documents, as md, html and txt, always the same ones.

Documents of the sets are taken in turn, so that a small folder is a mixture as a large one is.
A file holds the beginning of its document, so that no set outweighs the others. Half of the
Markdown is rendered to HTML. Nothing hangs on chance, the clock or the order of a directory.

One file in a hundred is edited later, and one more is removed. Each of them holds a sentence that
stands nowhere else, with a word that nobody uses: after the change, whoever finds that word
answers from what is no longer there. An edited file has another such sentence in its place, which
must be found.
"""

from __future__ import annotations

import hashlib
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path

from markdown_it import MarkdownIt

SETS = {
    "redis_docs_dev": (".",),
    "techdocs_dev": (".",),
    "squad2_dev": (".",),
    "clapnq_dev": (".",),
    "xquad_dev": ("de", "en", "es", "ro"),
    "scale_contracts_txt": (".",),
}
"""Sets, and which folders of their documents. Of xquad_dev only languages in Latin letters: sides
that count words or characters would cut the others into chunks of far more tokens than the model
reads, and embed less than those that count tokens."""
MAX_CHARS = 4_000  # of a document that a file holds, to the end of a line
EDITED = 100  # one file of so many

_THINGS = ("ledger", "lantern", "compass", "barrel", "organ", "kettle", "ladder", "anchor")
_PLACES = ("harbour", "orchard", "foundry", "chapel", "lighthouse", "quarry", "mill", "ferry")
_SENTENCE = "The {thing} of the {place} is known as {word} to those who look after it."

_PAGE = "<!doctype html>\n<html><head><title>{title}</title></head>\n<body>\n{body}</body></html>\n"


@dataclass(frozen=True, slots=True)
class Planted:
    """A sentence that stands in one file, and the word that stands in nothing else."""

    word: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Edit:
    """What becomes of a file: one sentence in place of another."""

    path: str
    before: Planted
    after: Planted


@dataclass(frozen=True, slots=True)
class Plan:
    """What a folder holds, and what is going to be changed in it."""

    files: int
    chars: int  # of all texts, before any was rendered
    edits: tuple[Edit, ...]
    removed: str  # path of the file that goes
    removed_text: Planted

    @property
    def gone(self) -> tuple[Planted, ...]:
        """What must not be found after the change, and had to be found before it."""
        return (*(edit.before for edit in self.edits), self.removed_text)

    @property
    def new(self) -> tuple[Planted, ...]:
        """What must be found after the change."""
        return tuple(edit.after for edit in self.edits)

    def apply(self, folder: Path) -> None:
        """Change a copy of the folder."""
        for edit in self.edits:
            path = folder / edit.path
            text = path.read_text(encoding="utf-8")
            if edit.before.sentence not in text:
                raise ValueError(f"{path} does not hold {edit.before.sentence!r}; build it anew")
            path.write_text(
                text.replace(edit.before.sentence, edit.after.sentence), encoding="utf-8"
            )
        (folder / self.removed).unlink()


def build(data: Path, files: int, into: Path) -> Plan:
    """Write a folder of that many files, and say what is going to be changed in it.

    :param data: where the sets are.
    :param files: at least two; fewer are written where the sets have no more.
    :raises FileNotFoundError: when a set is not there.
    """
    chosen = list(islice(_in_turn([_documents(data, name) for name in SETS]), files))
    changing = _spread(len(chosen))
    texts = {source: _beginning(source.path) for source in chosen}
    for number in changing:
        source = chosen[number]
        texts[source] = _with(texts[source], _planted(number, "before").sentence)
    paths = [_written(into, source, text) for source, text in texts.items()]
    removed, *edited = changing
    edits = [Edit(paths[at], _planted(at, "before"), _planted(at, "after")) for at in edited]
    chars = sum(map(len, texts.values()))
    return Plan(len(paths), chars, tuple(edits), paths[removed], _planted(removed, "before"))


def _spread(files: int) -> list[int]:
    """Which files are changed, at equal distances: the first goes, the others are edited."""
    changed = 1 + max(1, files // EDITED)
    if files < changed:
        raise ValueError(f"a folder of {files} files is too small to be changed")
    return [number * (files // changed) for number in range(changed)]


@dataclass(frozen=True, slots=True)
class _Source:
    """A document of a set."""

    name: str  # of the set
    below: Path  # the documents of the set
    path: Path


def _documents(data: Path, name: str) -> list[_Source]:
    """The documents of a set, mixed in a way that is always the same."""
    docs = data / name / "docs"
    if not docs.is_dir():
        raise FileNotFoundError(f"there is no {docs}; RAG_DATA names the folder of the sets")
    every = [path for below in SETS[name] for path in (docs / below).rglob("*")]
    paths = [path for path in every if path.suffix in (".md", ".txt")]
    found = [_Source(name, path.relative_to(docs), path) for path in paths]
    return sorted(found, key=lambda one: _hashed(one.below))


def _hashed(path: Path) -> str:
    return hashlib.blake2b(path.as_posix().encode(), digest_size=8).hexdigest()


def _in_turn(sets: Sequence[Sequence[_Source]]) -> Iterator[_Source]:
    """One of each as long as it lasts."""
    for row in zip_longest(*sets):
        yield from (one for one in row if one is not None)


def _beginning(path: Path) -> str:
    text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    return text if len(text) <= MAX_CHARS else text[: text.rfind("\n", 1, MAX_CHARS)] + "\n"


def _with(text: str, sentence: str) -> str:
    """A text with a paragraph of its own after the first."""
    first, between, rest = text.partition("\n\n")
    return f"{first}\n\n{sentence}\n\n{rest}" if between else f"{text}\n\n{sentence}\n"


def _planted(number: int, when: str) -> Planted:
    word = "q" + hashlib.blake2b(f"{when} {number}".encode(), digest_size=5).hexdigest() + "z"
    seed = int(word[1:6], 16)
    thing, place = _THINGS[seed % len(_THINGS)], _PLACES[seed // 8 % len(_PLACES)]
    return Planted(word, _SENTENCE.format(thing=thing, place=place, word=word))


def _written(into: Path, source: _Source, text: str) -> str:
    """Write one file, some of the Markdown as HTML; its path below the folder."""
    mixed = _hashed(source.below)
    rendered = source.path.suffix == ".md" and int(mixed, 16) % 2 == 0
    suffix = ".html" if rendered else source.path.suffix
    path = into / source.name / f"{source.path.stem[:60]}-{mixed[:6]}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = _page(source.path.stem, text) if rendered else text
    path.write_text(whole, encoding="utf-8")
    return path.relative_to(into).as_posix()


def _page(title: str, text: str) -> str:
    body = MarkdownIt("commonmark").enable("table").render(text)
    return _PAGE.format(title=html.escape(title), body=body)
