"""What a model card says: licence and base models, from the front matter of ``README.md``.

A card is data of a stranger. Only the head of the file is read, only up to a size; of its
YAML only the events are looked at: scalars and lists of scalars at the top level. Nothing is
constructed, no alias is followed, so a card can neither run code nor grow in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

_MAX_BYTES = 1 << 20  # of front matter; cards with benchmark tables reach some 300 kB
_MAX_DEPTH = 64  # libyaml needs time quadratic in the depth
_NULL = {"", "~", "null", "Null", "NULL"}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml, 20 times as fast, if there


@dataclass(frozen=True, slots=True)
class Card:
    """What a card states. Nothing is there where nothing is stated."""

    licences: tuple[str, ...] = ()  # ids, lower case; of ``other`` its name where it has one
    link: str = ""  # to the licence's text
    base_models: tuple[str, ...] = ()  # hub ids
    relation: str = ""  # to the base models: finetune, adapter, quantized, merge
    present: bool = False
    problem: str = ""  # why it could not be read


def read_card(folder: Path) -> Card:
    """The card of a model. Never fails: what is wrong with it becomes its ``problem``."""
    path = folder / "README.md"
    if not path.is_file():
        return Card()
    try:
        fields = _fields(_front_matter(path))
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return Card(present=True, problem=f"card unreadable: {reason}")
    return Card(
        licences=_licences(fields),
        link=_first(fields, "license_link"),
        base_models=fields.get("base_model", ()),
        relation=_first(fields, "base_model_relation").lower(),
        present=True,
    )


def _front_matter(path: Path) -> str:
    """What stands between the first line ``---`` and the next; empty where there is none."""
    with open(path, "rb") as file:
        head = file.read(_MAX_BYTES + 1)
    lines = head.removeprefix(b"\xef\xbb\xbf").splitlines()
    if not lines or lines[0].rstrip() != b"---":
        return ""
    ends = (number for number, line in enumerate(lines[1:], 1) if line.rstrip() == b"---")
    end = next(ends, None)
    if end is None:
        raise ValueError(f"its front matter does not end within {_MAX_BYTES} bytes")
    return b"\n".join(lines[1:end]).decode()


def _fields(text: str) -> dict[str, tuple[str, ...]]:
    """Scalars and lists of scalars at the top level of a YAML mapping; the rest is passed over.

    :raises ValueError: when it is no mapping, or has a key that is no text.
    """
    events = iter(yaml.parse(text, Loader=_LOADER))
    before = (yaml.StreamStartEvent, yaml.DocumentStartEvent)
    first = next(event for event in events if not isinstance(event, before))
    if isinstance(first, yaml.StreamEndEvent):
        return {}
    if not isinstance(first, yaml.MappingStartEvent):
        raise ValueError("its front matter is no mapping")
    found = {}
    while not isinstance(key := next(events), yaml.MappingEndEvent):
        if not isinstance(key, yaml.ScalarEvent):
            raise ValueError("its front matter has a key that is no text")
        values = (value.strip() for value in _value(events))
        found[key.value] = tuple(value for value in values if value not in _NULL)
    return found


def _value(events: Iterator[yaml.Event]) -> Iterator[str]:
    """The scalars of the next value: itself, or the items of a list."""
    first = next(events)
    if isinstance(first, yaml.ScalarEvent):
        yield first.value
    depth = int(isinstance(first, yaml.CollectionStartEvent))  # 0 for an alias
    while depth:
        event = next(events)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise ValueError(f"its front matter is nested deeper than {_MAX_DEPTH} levels")
        listed = depth == 1 and isinstance(first, yaml.SequenceStartEvent)
        if listed and isinstance(event, yaml.ScalarEvent):
            yield event.value


def _licences(fields: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    stated = [one.lower() for one in fields.get("license", ())]
    name = _first(fields, "license_name").lower()
    if not stated:
        return (name,) if name else ()
    return tuple(name if one == "other" and name else one for one in stated)


def _first(fields: dict[str, tuple[str, ...]], key: str) -> str:
    return next(iter(fields.get(key, ())), "")
