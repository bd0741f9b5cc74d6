"""The language of filters, from text to a tree.

::

    filter     = all {"or" all}
    all        = one {"and" one}
    one        = "not" one | "(" filter ")" | comparison
    comparison = field ("=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~") value
               | field ["not"] "in" "(" value {"," value} ")"

By recursive descent, a function a rule: the grammar has five, and what a parser generator
would add is a dependency and messages in its own words. Keywords have no case. What each
comparison means is in :mod:`corpus.comparing`. Bounded in length, in depth and in the number of
comparisons, so that no filter is expensive to read or to decide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from corpus import globs
from corpus.comparing import is_ordered
from corpus.where import ID, PATH, And, Compare, Glob, Not, OneOf, Op, Or, Where, canonical, folded
from rag.filters.filter import Filter
from rag.filters.refusal import Refusal
from rag.filters.scanner import Kind, Token, tokens

MAX_DEPTH = 20
MAX_COMPARISONS = 100

_FIELDS = "a field (path, id, title, format, date, or one of the documents' own metadata)"
_OPERATORS = "one of = != < <= > >= ~ !~ in"

Part = TypeVar("Part")


def parse(text: str) -> Filter:
    """Read a filter.

    :raises Refusal: when it means nothing; it says where and why.
    """
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(tokens(text))
        self._at = self._depth = 0
        self._fields: list[tuple[str, int]] = []

    def whole(self) -> Filter:
        if self._peek().kind is Kind.END:
            raise Refusal(f"it is empty; expected {_FIELDS}", self._text, 0)
        where = self._any()
        if self._peek().kind is not Kind.END:
            raise self._unexpected("'and', 'or' or the end")
        return Filter(self._text, where, tuple(self._fields))

    def _any(self) -> Where:
        parts = self._joined("or", self._all)
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self) -> Where:
        parts = self._joined("and", self._one)
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _joined(self, keyword: str, part: Callable[[], Part]) -> list[Part]:
        parts = [part()]
        while self._took(Kind.KEYWORD, keyword):
            parts.append(part())
        return parts

    def _one(self) -> Where:
        opened = self._peek()
        if self._took(Kind.KEYWORD, "not"):
            return Not(self._deeper(opened, self._one))
        if self._took(Kind.MARK, "("):
            inside = self._deeper(opened, self._any)
            if not self._took(Kind.MARK, ")"):
                raise self._unexpected(f"')' for the '(' at character {opened.start + 1}")
            return inside
        return self._comparison()

    def _deeper(self, opened: Token, part: Callable[[], Where]) -> Where:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._refusal(opened, f"it is nested deeper than {MAX_DEPTH}")
        found = part()
        self._depth -= 1
        return found

    def _comparison(self) -> Where:
        field = self._word(_FIELDS)
        if len(self._fields) == MAX_COMPARISONS:
            raise self._refusal(field, f"it has more than {MAX_COMPARISONS} comparisons")
        name = canonical(field.text)
        self._fields.append((name, field.start))
        sign = self._peek()
        if sign.kind is Kind.OPERATOR:
            self._at += 1
            return self._compared(name, sign)
        negated = self._took(Kind.KEYWORD, "not")
        if not self._took(Kind.KEYWORD, "in"):
            raise self._unexpected("'in'" if negated else f"{_OPERATORS} after the field")
        return _negated(OneOf(name, self._values()), negated)

    def _compared(self, name: str, sign: Token) -> Where:
        value = self._word('a value, such as docs or "two words"')
        if sign.text in ("~", "!~"):
            return _negated(self._glob(name, value), sign.text == "!~")
        if sign.text in ("=", "==", "!="):
            return _negated(Compare(name, Op.EQUAL, value.text), sign.text == "!=")
        if not is_ordered(value.text):
            raise self._refusal(
                value,
                f"{value.text[:60]!r} is neither a number nor an ISO date such as 2024-05-31, "
                f"and {sign.text} compares nothing else",
            )
        return Compare(name, Op(sign.text), value.text)

    def _glob(self, name: str, value: Token) -> Glob:
        try:
            if name in (ID, PATH):
                globs.path_matcher(value.text)
            else:
                globs.text_matcher(folded(value.text))
        except globs.BadPattern as error:
            raise self._refusal(value, f"the pattern means nothing: {error}") from None
        return Glob(name, value.text)

    def _values(self) -> tuple[str, ...]:
        if not self._took(Kind.MARK, "("):
            raise self._unexpected("'(' and values, such as in (de, fr)")
        values = [self._word("a value").text]
        while self._took(Kind.MARK, ","):
            values.append(self._word("a value").text)
        if not self._took(Kind.MARK, ")"):
            raise self._unexpected("',' or ')'")
        return tuple(values)

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _took(self, kind: Kind, text: str) -> bool:
        """Whether the next token is this one; it is gone then."""
        if (self._peek().kind, self._peek().text) != (kind, text):
            return False
        self._at += 1
        return True

    def _word(self, expected: str) -> Token:
        if self._peek().kind is not Kind.WORD:
            raise self._unexpected(expected)
        self._at += 1
        return self._tokens[self._at - 1]

    def _unexpected(self, expected: str) -> Refusal:
        token = self._peek()
        found = repr(self._text[token.start : token.end][:60])
        if token.kind is Kind.END:
            found = "the end"
        hint = ""
        if token.kind is Kind.KEYWORD and self._at:
            hint = f" (in quotes, {token.text!r} is a value)"
        return self._refusal(token, f"found {found}; expected {expected}{hint}")

    def _refusal(self, token: Token, what: str) -> Refusal:
        return Refusal(what, self._text, token.start)


def _negated(where: Where, is_negated: bool) -> Where:
    return Not(where) if is_negated else where
