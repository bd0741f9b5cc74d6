"""A tree as text of the language: what it is read as, shown to who wrote it."""

from __future__ import annotations

from corpus.where import And, Compare, Glob, Leaf, Not, OneOf, Op, Or, Where
from rag.filters.scanner import is_bare


def written(where: Where) -> str:
    """A filter that is read as this tree."""
    if isinstance(where, Or):
        return " or ".join(_within(part, Or) for part in where.parts)
    if isinstance(where, And):
        return " and ".join(_within(part, And, Or) for part in where.parts)
    if not isinstance(where, Not):
        return _leaf(where)
    part = where.part
    if isinstance(part, OneOf | Glob) or (isinstance(part, Compare) and part.op is Op.EQUAL):
        return _leaf(part, negated=True)
    return f"not {_within(part, And, Or)}"


def _within(where: Where, *enclosed: type[Where]) -> str:
    return f"({written(where)})" if isinstance(where, enclosed) else written(where)


def _leaf(leaf: Leaf, *, negated: bool = False) -> str:
    field = _word(leaf.field)
    if isinstance(leaf, OneOf):
        return f"{field} {'not ' * negated}in ({', '.join(map(_word, leaf.values))})"
    if isinstance(leaf, Glob):
        return f"{field} {'!' * negated}~ {_word(leaf.pattern)}"
    return f"{field} {'!' * negated}{leaf.op.value} {_word(leaf.value)}"


def _word(text: str) -> str:
    """A word bare where it can be, in quotes otherwise."""
    if is_bare(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
