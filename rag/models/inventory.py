"""Which models the settings name, by their role, and what each of them is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from corpus.errors import ModelUnavailable, ModelUnusable
from corpus.settings import Settings
from rag.models.files import Contents, Found, Source, contents, locate, missing_weights
from rag.models.rights import Rights, rights_by_name, rights_of
from rag.models.shape import Shape, shape_of


class Role(StrEnum):
    """What a model does here."""

    EMBEDDING = "embedding"
    RERANKER = "reranker"
    GENERATOR = "generator"
    TOKENIZER = "tokenizer"  # only where it is not the generator's own
    ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class Use:
    """A model as the settings name it."""

    role: Role
    name: str  # of an adapter: the name that requests use
    model: str  # folder, hub id, or the packaged default
    revision: str = ""  # as asked for


_NO_SHAPE, _NO_CONTENTS = Shape(), Contents((), ())


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that the settings name, and what was found out about it."""

    use: Use
    found: Found | None = None
    shape: Shape = _NO_SHAPE
    contents: Contents = _NO_CONTENTS
    rights: Rights | None = None  # None: absent, and nothing is known of its name
    problem: str = ""  # why it cannot be locked: absent, incomplete, damaged

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"{self.use.role} {self.use.name}"

    def path(self, name: str) -> Path:
        """Where one of its files lies."""
        if self.found is None:
            raise ValueError(f"{self.label} is absent and has no files")
        return self.found.folder / name

    @property
    def warnings(self) -> tuple[str, ...]:
        """What whoever uses it should know."""
        told = list(self.rights.warnings) if self.rights else []
        if refused := self.contents.refused:
            told.append(f"never loaded: {', '.join(refused)}")
        return tuple(told)


def uses(settings: Settings) -> Iterator[Use]:
    """The models that the settings name. Of a server at ``vllm.urls`` only what they say."""
    embedding, generation = settings.embedding.model, settings.generation
    yield Use(Role.EMBEDDING, embedding, embedding)
    if reranker := settings.retrieval.reranker:
        yield Use(Role.RERANKER, reranker, reranker)
    if generation.model:
        yield Use(Role.GENERATOR, generation.model, generation.model, generation.revision)
    if generation.tokenizer and generation.tokenizer != generation.model:
        yield Use(Role.TOKENIZER, generation.tokenizer, generation.tokenizer)
    for name, model in sorted(settings.vllm.adapters.items()):
        yield Use(Role.ADAPTER, name, model)


def inventory(settings: Settings) -> tuple[Entry, ...]:
    """Look at each model that the settings name. Reads this machine only, never a network.

    A model that is absent or damaged is an entry with a ``problem``, never an error.
    """
    known: dict[str, Found] = {}
    return tuple(_entry(use, settings.generation.model, known) for use in uses(settings))


def _entry(use: Use, generator: str, known: dict[str, Found]) -> Entry:
    try:
        found = locate(use.model, use.revision)
    except (ModelUnusable, ModelUnavailable) as error:
        return Entry(use, rights=rights_by_name(use.model), problem=str(error))
    known[use.model] = found
    served_on = generator if use.role is Role.ADAPTER else ""
    rights = rights_of(use.model, found, served_on, known)
    try:
        files = contents(found.folder)
    except OSError as error:
        return Entry(use, found, rights=rights, problem=f"its files cannot be read: {error}")
    try:
        shape = shape_of(found.folder)
        problem = "" if use.role is Role.TOKENIZER else missing_weights(found.folder, files.matter)
    except ModelUnusable as error:
        shape, problem = _NO_SHAPE, str(error)
    return Entry(use, found, shape, files, rights, problem)


def model_json(entry: Entry) -> Mapping[str, Any]:
    """What is told of a model, as JSON: what it is, its licence and its lineage.

    Of paths it holds those that settings and model files name, never where the cache lies.
    """
    found, rights = entry.found, entry.rights
    return {
        "role": entry.use.role.value,
        "name": entry.use.name,
        "model": entry.use.model,
        "source": (found.source if found else Source.ABSENT).value,
        "origin": found.origin if found else "",
        "revision": found.revision if found else "",
        "architecture": entry.shape.architecture,
        "dtype": entry.shape.dtype,
        "context": entry.shape.context,
        "commercial_use": rights.commercial.value if rights else "unknown",
        "licence": _licence_json(rights),
        "lineage": _lineage_json(rights),
        "problem": entry.problem,
        "warnings": list(entry.warnings),
    }


def _licence_json(rights: Rights | None) -> dict[str, Any]:
    if rights is None:
        return {"id": "", "name": "", "stated_by": "", "link": "", "conditions": []}
    return {
        "id": rights.licence.id,
        "name": rights.licence.name,
        "stated_by": rights.stated_by.value,
        "link": rights.link,
        "conditions": list(rights.conditions),
    }


def _lineage_json(rights: Rights | None) -> list[dict[str, str]]:
    return [
        {
            "model": one.model,
            "of": one.of,
            "relation": one.relation,
            "licence": one.licence.id,
            "stated_by": one.stated_by.value,
            "commercial_use": one.licence.commercial.value,
        }
        for one in (rights.lineage if rights else ())
    ]
