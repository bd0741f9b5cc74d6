"""What may be done with a model: its licence, its ancestors', and the strictest of them.

The model's own card is asked first, then the cards of its base models as far as they are on
this machine. Where a card says nothing, well-known families are known by their name; that is
labelled. A licence that nobody states stays unknown, for the whole line of descent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from corpus.errors import ModelUnusable
from rag.models.card import Card, read_card
from rag.models.families import commonly_documented
from rag.models.files import Found, Source, in_cache, read_json
from rag.models.licences import Commercial, Licence, licence, strictest

_MOST_ANCESTORS = 32


class Authority(StrEnum):
    """Who says what the licence is."""

    CARD = "model card"
    DOCUMENTED = "as commonly documented"
    NOBODY = ""


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A model that another was made from."""

    model: str  # as its descendant names it
    of: str  # the descendant
    relation: str  # finetune, adapter, quantized, merge; empty: not stated
    licence: Licence
    stated_by: Authority


@dataclass(frozen=True, slots=True)
class Rights:
    """The licence of a model and of those it was made from."""

    licence: Licence
    stated_by: Authority
    link: str  # to the text, as the card gives it
    lineage: tuple[Ancestor, ...]  # nearest first
    warnings: tuple[str, ...]

    @property
    def commercial(self) -> Commercial:
        """Whether commercial use is allowed: the strictest answer of the whole lineage."""
        return strictest(self.licence.commercial, *(one.licence.commercial for one in self.lineage))

    @property
    def conditions(self) -> tuple[str, ...]:
        """What each of the licences asks for."""
        named = dict.fromkeys([self.licence, *(one.licence for one in self.lineage)])
        return tuple(f"{one.name}: {one.condition}" for one in named if one.condition)


@dataclass(frozen=True, slots=True)
class _Descent:
    base: str
    of: str
    relation: str


def rights_of(
    name: str, found: Found, served_on: str = "", known: Mapping[str, Found] | None = None
) -> Rights:
    """Find out what may be done with a model.

    :param name: what the model is called in lineage and warnings.
    :param served_on: of an adapter: the model that it is served on, which counts as its base.
    :param known: models that were found already, by the names that the settings give them.
    """
    known = known or {}
    card = read_card(found.folder)
    own, stated_by = _licence(card, found.origin)
    descents = _bases(name, card, found.folder)
    told = [card.problem] if card.problem else []
    if stated_by is not Authority.CARD and not card.problem:
        told.append(_unstated(card, found, stated_by))
    if served_on:
        made_for = trained_on(found.folder)
        if made_for and not _same(made_for, served_on, known):
            told.append(f"it was made for {made_for} and is served on {served_on}")
        here = [one for one in descents if _is_name(one.base) or Path(one.base).is_dir()]
        descents = [_Descent(served_on, name, "adapter"), *here]
    lineage, warnings = _ancestors(name, descents, known)
    told += warnings
    told += [_stricter(own, one) for one in lineage if _counts(own, one)]
    return Rights(own, stated_by, card.link, lineage, tuple(told))


def rights_by_name(hub_id: str) -> Rights | None:
    """What is commonly documented of a model that is not on this machine; None: nothing."""
    family = commonly_documented(hub_id)
    return Rights(licence(family), Authority.DOCUMENTED, "", (), ()) if family else None


def trained_on(folder: Path) -> str:
    """The model that an adapter was trained on, as its configuration names it; empty: unknown."""
    try:
        named = read_json(folder / "adapter_config.json").get("base_model_name_or_path")
    except ModelUnusable:
        return ""
    return named if isinstance(named, str) else ""


def _same(one: str, other: str, known: Mapping[str, Found]) -> bool:
    """Whether two names mean one model: hub ids, or paths to the same folder."""
    if one.casefold() == other.casefold():
        return True
    found = known.get(other)
    return bool(found and Path(one).is_dir() and Path(one).samefile(found.folder))


def _is_name(base: str) -> bool:
    return not Path(base).is_absolute()


def _ancestors(
    name: str, first: Sequence[_Descent], known: Mapping[str, Found]
) -> tuple[tuple[Ancestor, ...], list[str]]:
    """Follow the base models, nearest first, and none twice: cards may name each other."""
    queue, seen = deque(first), {name.casefold()}
    lineage: list[Ancestor] = []
    warnings: list[str] = []
    while queue and len(lineage) <= _MOST_ANCESTORS:
        next_one = queue.popleft()
        base = next_one.base
        if base.casefold() in seen:
            continue
        seen.add(base.casefold())
        looked_at = len(lineage) < _MOST_ANCESTORS  # the last stands for all that follow: unknown
        found = (known.get(base) or _on_this_machine(base)) if looked_at else None
        card = read_card(found.folder) if found else Card()
        terms, stated_by = _licence(card, base if looked_at else "")
        lineage.append(Ancestor(base, next_one.of, next_one.relation, terms, stated_by))
        warnings += [f"{base}: {card.problem}"] if card.problem else []
        queue.extend(_bases(base, card, found.folder) if found else [])
    return tuple(lineage), warnings


def _bases(name: str, card: Card, folder: Path) -> list[_Descent]:
    """What a model was made from: what its adapter configuration says, then what its card says."""
    adapted = trained_on(folder)
    named = [_Descent(adapted, name, "adapter")] if adapted else []
    return named + [_Descent(base, name, card.relation) for base in card.base_models]


def _on_this_machine(base: str) -> Found | None:
    """A base model by its hub id, or by the absolute path that an adapter was trained on."""
    if not _is_name(base):
        return Found(Path(base), Source.FOLDER) if Path(base).is_dir() else None
    return in_cache(base)


def _licence(card: Card, hub_id: str) -> tuple[Licence, Authority]:
    """The licence by the card, the strictest if it lists several, else by the family."""
    if card.licences:
        stated = [licence(one) for one in card.licences]
        hardest = strictest(*(one.commercial for one in stated))
        return next(one for one in stated if one.commercial is hardest), Authority.CARD
    family = commonly_documented(hub_id)
    return licence(family), Authority.DOCUMENTED if family else Authority.NOBODY


def _unstated(card: Card, found: Found, stated_by: Authority) -> str:
    if card.present:
        why = "its card states no licence"
    elif found.source is Source.HUB:
        why = f"its card is not on this machine; `hf download {found.origin} README.md` fetches it"
    else:
        why = "it has no model card (README.md)"
    return why if stated_by is Authority.NOBODY else f"{why}; the licence is {stated_by.value}"


def _counts(own: Licence, ancestor: Ancestor) -> bool:
    """Whether the terms of an ancestor add to the model's own."""
    other = ancestor.licence
    return other.id != own.id and other.commercial is not Commercial.YES


def _stricter(own: Licence, ancestor: Ancestor) -> str:
    if ancestor.licence.commercial is Commercial.UNKNOWN:
        return f"the licence of {ancestor.model}, which it was made from, is not known here"
    stricter = strictest(own.commercial, ancestor.licence.commercial) is not own.commercial
    what = "are stricter and count" if stricter else "apply as well"
    return (
        f"it states {own.id or 'no licence'}; the terms of {ancestor.model}, which it was made "
        f"from ({ancestor.licence.id}), {what}"
    )
