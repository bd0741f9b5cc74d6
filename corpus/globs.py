"""Patterns over names: ``*``, ``?``, ``[a-z]``, and ``**`` for any number of folders.

Two ways to match. A plain text knows no folders: ``*`` is any run of characters. In a path
``*`` and ``?`` stay within one part, ``**`` as a part of its own stands for any number of parts
(none, too), a pattern without a slash is matched against the last part wherever that lies, and
one that ends in a slash matches everything below. A part may also name what it finds:
``{year}`` is a run of at least one character that is given a name.

No pattern is slow. ``fnmatch`` has no ``**``, and the expressions that gitignore libraries make go
back and forth: ``*a*a*a*a*b`` against a long name takes them minutes. Here a wild card ends at the
first place where what follows it fits, and is never tried again: an atomic group. That finds a
match wherever there is one, because an earlier end leaves all that a later one would, and it
costs at most the length of the pattern times that of the name. Likewise for ``**`` and parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

MAX_PATTERN = 1000  # characters

_NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CLASS = re.compile(r"\[(!?)(\]?[^\]]*)\]")

Part = re.Pattern[str]


class BadPattern(ValueError):
    """A pattern means nothing. The message says why."""


def text_matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a text matches as a whole.

    :raises BadPattern: when the pattern means nothing.
    """
    part = _part(_bounded(pattern), names=False)
    return lambda text: part.match(text) is not None


def path_matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a path matches.

    :raises BadPattern: when the pattern means nothing.
    """
    path = Path(pattern)
    return lambda text: path.match(text) is not None


class Path:
    """A pattern for paths.

    :param names: whether ``{name}`` names what it finds; a brace is a character otherwise.
    :raises BadPattern: when the pattern means nothing.
    """

    def __init__(self, pattern: str, *, names: bool = False) -> None:
        parts = _bounded(pattern).removeprefix("/").split("/")
        if len(parts) == 1 and not pattern.startswith("/") and not names:
            parts = ["**", *parts]  # the name of a file, wherever it lies
        if parts[-1] == "":
            parts[-1] = "**"
        if "" in parts:
            raise BadPattern("two slashes follow each other")
        found = _NAME.findall(pattern) if names else []
        if twice := {name for name in found if found.count(name) > 1}:
            raise BadPattern(f"it names {min(twice)!r} twice")
        self.names = tuple(found)
        self._groups = _groups(parts, names)

    def match(self, path: str) -> dict[str, str] | None:
        """What the named parts found; None where the path does not match."""
        parts = path.split("/")
        first, *others = self._groups
        found = _matched(first, parts, 0)
        if not others:
            return found if len(parts) == len(first) else None
        *middle, last = others
        at, end = len(first), len(parts) - len(last)
        tail = _matched(last, parts, end) if end >= at else None
        if found is None or tail is None:
            return None
        for group in middle:
            inside = None
            while inside is None and at + len(group) <= end:
                inside = _matched(group, parts, at)
                at += 1
            if inside is None:
                return None
            at += len(group) - 1
            found |= inside
        return found | tail


def _groups(parts: Sequence[str], names: bool) -> list[list[Part]]:
    """The parts between one ``**`` and the next, each as an expression."""
    groups: list[list[Part]] = [[]]
    for part in parts:
        if part == "**":
            groups.append([])
        else:
            groups[-1].append(_part(part, names=names))
    return groups


def _matched(group: Sequence[Part], parts: Sequence[str], at: int) -> dict[str, str] | None:
    """What a group finds from there on; None where it does not match."""
    if at + len(group) > len(parts):
        return None
    found: dict[str, str] = {}
    for part, text in zip(group, parts[at:], strict=False):
        match = part.match(text)
        if match is None:
            return None
        found |= match.groupdict()
    return found


def _part(pattern: str, *, names: bool) -> Part:
    """A pattern without folders as an expression that is matched from the first character."""
    fixed, wild = _pieces(pattern, names)
    expression = fixed[0]
    for number, (piece, name) in enumerate(zip(fixed[1:], wild, strict=True), start=1):
        run = f"(?P<{name}>.+{{lazy}})" if name else ".*{lazy}"
        if number == len(wild):
            expression += run.format(lazy="") + piece
        else:
            expression += f"(?>{run.format(lazy='?')}{piece})"
    return re.compile(f"(?s:{expression})\\Z")


def _pieces(pattern: str, names: bool) -> tuple[list[str], list[str]]:
    """What is fixed, and the wild cards between, one fewer: the name of each, or nothing."""
    fixed, wild, at = [""], list[str](), 0
    while at < len(pattern):
        name = _NAME.match(pattern, at) if names else None
        some = _CLASS.match(pattern, at)
        if name is not None:
            if wild and not fixed[-1]:
                raise BadPattern(f"{name.group()} needs text between it and what is before it")
            wild.append(name[1])
            fixed.append("")
            at = name.end()
        elif pattern[at] == "*":
            if wild and not fixed[-1] and wild[-1]:
                raise BadPattern("* needs text between it and the name before it")
            if not wild or fixed[-1]:
                wild.append("")
                fixed.append("")
            at += 1
        elif some is not None:
            fixed[-1] += _class(some)
            at = some.end()
        else:
            fixed[-1] += "." if pattern[at] == "?" else re.escape(pattern[at])
            at += 1
    return fixed, wild


def _class(found: re.Match[str]) -> str:
    """A set of characters, in which nothing but a range means more than itself."""
    chars, at, members = found[2], 0, ""
    while at < len(chars):
        first, last = chars[at], chars[at : at + 3][-1]
        if chars[at + 1 : at + 2] == "-" and at + 2 < len(chars):
            if first > last:
                raise BadPattern(f"[{first}-{last}] runs backwards")
            members += f"{re.escape(first)}-{re.escape(last)}"
            at += 3
        else:
            members += re.escape(first)
            at += 1
    if not members:
        raise BadPattern("[] holds no character")
    return f"[{'^' if found[1] else ''}{members}]"


def _bounded(pattern: str) -> str:
    if not pattern:
        raise BadPattern("it is empty")
    if len(pattern) > MAX_PATTERN:
        raise BadPattern(f"it has {len(pattern)} characters, {MAX_PATTERN} are taken")
    return pattern
