"""A model as it is talked to: its template, its tokenizer, its stops, its limits.

Made once from the model's own files, and tested before it is used: a conversation is
rendered and encoded, and a template that cannot work is refused with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from corpus.errors import TemplateRefused
from corpus.settings import GenerationSettings
from rag.prompt.conversation import folded
from rag.prompt.files import ModelFiles
from rag.prompt.stops import find_stops
from rag.prompt.template import ChatTemplate
from rag.prompt.tokens import ModelTokenizer
from rag.prompt.types import Message, Prompt, Rendered, Role, message

_NAMED_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token")
_NO_THINKING = {
    "enable_thinking": False,
    "thinking": False,
    "reasoning_effort": "low",
    "thinking_budget": 0,
}
"""How templates are told not to let the model think; each knows some of these."""
_THINKING = {"enable_thinking": True, "thinking": True}
_SWITCH_OFF = "/no_think"  # some templates look for it in the system turn instead


class PromptModel:
    """Writes prompts for one model. Safe to share between threads.

    :raises ModelUnusable: when tokenizer or template cannot be read.
    :raises TemplateRefused: when the template cannot work; the message says why.
    """

    def __init__(self, files: ModelFiles, settings: GenerationSettings) -> None:
        self.name = files.name
        self.files = files
        self.tokenizer = ModelTokenizer(files.tokenizer, files.tokenizer_config)
        source = _source(files, settings)
        tokens = {
            name: found
            for name in _NAMED_TOKENS
            if (found := _content(files.tokenizer_config.get(name))) is not None
        }
        unset = ChatTemplate(source, tokens)
        variables = _variables(unset.mentioned, settings)
        self.template = ChatTemplate(source, tokens, variables)
        off = settings.thinking == "off" and "enable_thinking" not in unset.mentioned
        self._switch = _SWITCH_OFF if off and _SWITCH_OFF in source else ""
        self.has_system_role = _has_system_role(self.template)
        self.stops = find_stops(self.template, self.tokenizer, files.eos_ids)

    def write(self, messages: Sequence[Message]) -> Prompt:
        """Render and encode a conversation whose first turn is the system's.

        :raises TemplateRefused: when the template refuses it, or leaves out what a turn says.
        """
        system, *rest = messages
        turns = [Message(system.role, system.segments, self._switch), *rest]
        turns = turns if self.has_system_role else folded(turns)
        rendered = self.template.render(turns)
        if rendered.left_out:
            role = turns[rendered.left_out[0]].role.value
            raise TemplateRefused(f"the chat template leaves out what the {role} says")
        return self.tokenizer.encode(turns, rendered)

    @property
    def context(self) -> int | None:
        """Tokens that the model was made for, as its configuration says; None: it does not."""
        config = self.files.config
        inner = config.get("text_config")
        for one in (config, inner if isinstance(inner, Mapping) else {}):
            found = one.get("max_position_embeddings")
            if isinstance(found, int):
                return found
        return None


def _source(files: ModelFiles, settings: GenerationSettings) -> str:
    if settings.chat_template is not None:
        try:
            return settings.chat_template.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TemplateRefused(
                f"the chat template {settings.chat_template} cannot be read: {error}"
            ) from None
    if not files.chat_template:
        raise TemplateRefused(
            f"{files.name} has no chat template: it is no chat model, or its template is kept "
            "elsewhere; give it with generation.chat_template"
        )
    return files.chat_template


def _variables(mentioned: frozenset[str], settings: GenerationSettings) -> dict[str, Any]:
    """What the template is told: about thinking, and what the settings add."""
    thinking = _NO_THINKING if settings.thinking == "off" else _THINKING
    known = {name: value for name, value in thinking.items() if name in mentioned}
    return {**known, **{name: _value(text) for name, text in settings.template_variables.items()}}


def _value(text: str) -> object:
    """A variable from the settings: JSON where it is some, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _has_system_role(template: ChatTemplate) -> bool:
    """Whether the template writes what a system turn says; some refuse it, some drop it."""
    try:
        rendered: Rendered = template.render(
            [message(Role.SYSTEM, "Be brief.", "s"), message(Role.USER, "Who?", "u")]
        )
    except TemplateRefused:
        return False
    return not rendered.left_out


def _content(value: object) -> str | None:
    found = value.get("content") if isinstance(value, Mapping) else value
    return found if isinstance(found, str) else None
