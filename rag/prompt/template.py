"""The model's own chat template, rendered exactly, with no way in for what people wrote.

A chat template is a Jinja program that comes with a model. It is rendered in a sandbox, in
the environment that transformers gives it (``trim_blocks``, ``lstrip_blocks``, loop
controls, ``{% generation %}``, ``tojson``, ``raise_exception``, ``strftime_now``), so the
text is what the model was tuned on, character for character.

What the messages say is not given to it. Each line of a message is replaced by a placeholder
that no text can hold, with the white space around it as it is, and put back afterwards. So
what a template does to white space works as written, and a text cannot steer it by what it
says. A template that takes the text of a message apart (some look for ``</think>``)
finds nothing in it; thoughts are therefore taken out of earlier answers before this point,
see :mod:`rag.prompt.conversation`.
"""

from __future__ import annotations

import json
import re
import secrets
from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any, NoReturn

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.meta import find_undeclared_variables
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from corpus.errors import TemplateRefused
from rag.prompt.types import TEMPLATE, Message, Part, Rendered

Clock = Callable[[], datetime]

MAX_TEMPLATE_CHARS = 1_000_000

_NUMBERED = 12  # characters of a mark after its secret: which message, which line, its end


class ChatTemplate:
    """A compiled chat template. Safe to share between threads.

    :param tokens: what the template may call by name: ``bos_token``, ``eos_token`` and so on.
    :param variables: further variables, e.g. ``enable_thinking``.
    :raises TemplateRefused: when it is no template.
    """

    def __init__(
        self,
        source: str,
        tokens: Mapping[str, str],
        variables: Mapping[str, Any] | None = None,
        clock: Clock = datetime.now,
    ) -> None:
        if len(source) > MAX_TEMPLATE_CHARS:
            raise TemplateRefused(
                f"the chat template has {len(source)} characters; {MAX_TEMPLATE_CHARS} are taken"
            )
        environment = _environment(clock)
        try:
            self.mentioned = frozenset(find_undeclared_variables(environment.parse(source)))
            self._template = environment.from_string(source)
        except (TemplateError, RecursionError) as error:
            raise TemplateRefused(f"the chat template cannot be read: {error}") from None
        self.source = source
        self._given = {"tools": None, "documents": None, **tokens, **(variables or {})}

    def render(self, messages: Sequence[Message], *, generation_prompt: bool = True) -> Rendered:
        """Write a conversation as the model reads it.

        :param generation_prompt: whether to open the turn of the assistant.
        :raises TemplateRefused: with the template's own reason.
        """
        secret = f"zq{secrets.token_hex(16)}"
        held = [_Held(secret, number, one) for number, one in enumerate(messages)]
        text = self._written([one.shown() for one in held], generation_prompt)
        return _put_back(text, held, secret)

    def _written(self, messages: list[dict[str, str]], generation_prompt: bool) -> str:
        try:
            return self._template.render(
                messages=messages, add_generation_prompt=generation_prompt, **self._given
            )
        except (TemplateError, TypeError, ValueError, KeyError, IndexError) as error:
            raise TemplateRefused(f"the chat template refuses: {error}") from None
        except (RecursionError, MemoryError, OverflowError) as error:
            kind = type(error).__name__
            raise TemplateRefused(f"the chat template cannot be run: {kind}") from None


class _Held:
    """A message whose text is kept back while the template runs: a mark for each line of it."""

    def __init__(self, secret: str, number: int, message: Message) -> None:
        self.message = message
        content = message.content
        self.core = content.strip()
        self._before = len(content) - len(content.lstrip())
        self.lines: dict[str, tuple[int, int]] = {}  # mark -> span of the core
        shown, at = [content[: self._before]], 0
        for line, gap in _lines(self.core):
            mark = f"{secret}{number:04x}{len(self.lines):0{_NUMBERED - 6}x}zq"
            self.lines[mark] = (at, at + len(line))
            at += len(line) + len(gap)
            shown += (mark, gap)
        self._shown = "".join(shown) + content[self._before + len(self.core) :]
        lengths = (len(segment.text) for segment in message.segments)
        self._ends = [end - self._before for end in accumulate(lengths)]  # in the core

    def shown(self) -> dict[str, str]:
        """The message as the template sees it."""
        return {"role": self.message.role.value, "content": self._shown + self.message.switch}

    def pieces(self, mark: str) -> Iterable[tuple[str, str]]:
        """What a mark stands for, cut where segments end: (part, text)."""
        at, last = self.lines[mark]
        row = bisect_right(self._ends, at)
        while at < last:
            end = min(self._ends[row], last)
            if end > at:
                yield self.message.segments[row].part, self.core[at:end]
            at, row = end, row + 1


def _lines(text: str) -> Iterable[tuple[str, str]]:
    """The lines of a text, each with the white space that parts it from the next."""
    pieces = [*re.split(r"(\s*\n\s*)", text), ""]
    return zip(pieces[::2], pieces[1::2], strict=True) if text else ()


def _put_back(text: str, held: Sequence[_Held], secret: str) -> Rendered:
    """The text with every mark replaced by what it stands for."""
    owners = {mark: one for one in held for mark in one.lines}
    written: list[str] = []
    parts: list[Part] = []
    length = 0

    def add(name: str, piece: str) -> None:
        nonlocal length
        written.append(piece)
        start, length = length, length + len(piece)
        if parts and parts[-1].name == name:
            start = parts.pop().start
        if piece:
            parts.append(Part(name, start, length))

    said: _Held | None = None
    pieces = _apart(text, secret, owners)
    for number, piece in enumerate(pieces):
        if number % 2:
            said = owners[piece]
            for name, what in said.pieces(piece):
                add(name, what)
        else:
            after = owners.get(pieces[number + 1]) if number + 1 < len(pieces) else None
            inside = piece.isspace() and said is not None and said is after
            add(parts[-1].name if inside else TEMPLATE, piece)
    there = set(pieces[1::2])
    left_out = [at for at, one in enumerate(held) if not there.issuperset(one.lines)]
    return Rendered("".join(written), tuple(parts), tuple(left_out))


def _apart(text: str, secret: str, marks: Container[str]) -> list[str]:
    """A text in pieces, every second one of them a mark."""
    before, *after = text.split(secret)
    pieces = [before]
    for piece in after:
        mark = secret + piece[:_NUMBERED]
        if mark in marks:
            pieces += (mark, piece[_NUMBERED:])
        else:  # the template took it apart
            pieces[-1] += secret + piece
    return pieces


def _environment(clock: Clock) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationTag, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: clock().strftime(form)
    return environment


class _GenerationTag(Extension):
    """``{% generation %}`` marks what an assistant says, for training; here it is a mere block."""

    tags = {"generation"}  # noqa: RUF012  # as Jinja declares it

    def parse(self, parser: Parser) -> nodes.Node:
        """Take the block for its content."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


def _tojson(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
    """JSON as transformers has it in templates: nothing is escaped for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def _raise(reason: str) -> NoReturn:
    raise TemplateError(reason)
