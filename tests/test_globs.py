"""Patterns over names: what they match, against a slow and plain definition; and never slowly."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpus.globs import BadPattern, Path, path_matcher, text_matcher

PATTERNS = st.text("ab*?", min_size=1, max_size=8)
TEXTS = st.text("ab", max_size=8)


def plainly(pattern: str, text: str) -> bool:
    """One character after another, every way tried."""

    @cache
    def fits(p: int, t: int) -> bool:
        if p == len(pattern):
            return t == len(text)
        if pattern[p] == "*":
            return fits(p + 1, t) or (t < len(text) and fits(p, t + 1))
        return t < len(text) and pattern[p] in ("?", text[t]) and fits(p + 1, t + 1)

    return fits(0, 0)


def plainly_a_path(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(plainly_a_path(pattern[1:], path[at:]) for at in range(len(path) + 1))
    return bool(path) and plainly(pattern[0], path[0]) and plainly_a_path(pattern[1:], path[1:])


@given(PATTERNS, TEXTS)
@example("*ab*b", "aabab")
def test_a_text_matches_as_the_definition_says(pattern: str, text: str) -> None:
    assert text_matcher(pattern)(text) is plainly(pattern, text)


@given(
    st.lists(st.sampled_from(["**", "a", "*", "a*", "*b", "?"]), min_size=2, max_size=6),
    st.lists(st.sampled_from(["a", "b", "ab", "aab"]), min_size=1, max_size=6),
)
def test_a_path_matches_as_the_definition_says(pattern: list[str], path: list[str]) -> None:
    expected = plainly_a_path(tuple(pattern), tuple(path))

    assert path_matcher("/".join(pattern))("/".join(path)) is expected


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("docs/**/*.md", "docs/a.md docs/a/b/c.md", "docs/a.txt a/docs/b.md docs"),
        ("docs/**", "docs/a docs/a/b", "doc/a a/docs/b"),
        ("docs/", "docs/a docs/a/b", "doc/a"),
        ("*.md", "a.md x/y/a.md", "a.mdx"),
        ("/*.md", "a.md", "x/a.md"),
        ("**/api/*", "api/x a/b/api/x", "api/x/y api"),
        ("a/*/c", "a/b/c", "a/c a/b/b/c"),
        ("a/[x-z]?.md", "a/y1.md", "a/b1.md a/y.md"),
        ("[!a]*", "b x/b", "a"),
        ("[]x]", "] x", "a"),
        ("[a-]", "a -", "b"),
        ("[&&~~||^]", "& ~ | ^", "a"),
        ("a[", "a[", "a"),
        ("a.b", "a.b", "axb"),
        ("{a}", "{a}", "a"),
    ],
)
def test_what_patterns_match(pattern: str, yes: str, no: str) -> None:
    matches = path_matcher(pattern)
    assert [path for path in yes.split() if not matches(path)] == []
    assert [path for path in no.split() if matches(path)] == []


@pytest.mark.parametrize("pattern", ["", "a//b", "[z-a]", "[]", "[!]", "x" * 1001])
def test_a_pattern_that_means_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern, match=r".+"):
        path_matcher(pattern)


@pytest.mark.parametrize(
    ("make", "pattern", "text"),
    [
        (text_matcher, "*a" * 499 + "b", "a" * 1000),
        (text_matcher, "*[ab]?" * 166 + "c", "ab" * 500),
        (text_matcher, "*" * 999 + "b", "a" * 1000),
        (text_matcher, "?*" * 499 + "b", "a" * 1000),
        (path_matcher, "**/a/" * 199 + "b", "/".join("a" * 500)),
        (path_matcher, "**/*a*a*a*b/" * 80 + "b", "/".join(["a" * 30] * 30)),
    ],
)
def test_no_pattern_is_slow(
    make: Callable[[str], Callable[[str], bool]], pattern: str, text: str
) -> None:
    matches = make(pattern)
    began = time.perf_counter()

    assert not matches(text)

    assert time.perf_counter() - began < 0.5


def test_parts_of_a_path_can_be_named() -> None:
    posts = Path("posts/{year}-{month}-*.md", names=True)

    assert posts.match("posts/2024-05-first-steps.md") == {"year": "2024", "month": "05"}
    assert posts.match("posts/2024.md") is None
    assert Path("{team}/**", names=True).match("hr/a/b.md") == {"team": "hr"}
    assert Path("{name}.md", names=True).match("a/b.md") is None, "no slash is not any folder here"


@pytest.mark.parametrize("pattern", ["{a}{b}", "{a}*", "*{a}", "{a}/{a}", "{a}-{a}"])
def test_what_cannot_be_told_apart_cannot_be_named(pattern: str) -> None:
    with pytest.raises(BadPattern, match=r".+"):
        Path(pattern, names=True)
