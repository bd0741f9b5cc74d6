"""What ends an answer: the union of what the tokenizer, the generation config and the template say.

The template is asked by letting it write a conversation: what it puts after the words of
the assistant is what the model learned to say next. That is a control token, as a rule; a
template of plain words (``### Instruction:``) gives a stop string instead.
"""

from __future__ import annotations

from collections.abc import Iterable

from rag.prompt.template import ChatTemplate
from rag.prompt.tokens import ModelTokenizer
from rag.prompt.types import TEMPLATE, Message, Role, Stops, message

_SAID = "assistant"
_HARMONY = {"<|channel|>", "<|message|>"}
"""Where an answer has channels, the token that ends a turn ends the thoughts as well; only the
generation config knows which one ends the answer."""


def find_stops(
    template: ChatTemplate, tokenizer: ModelTokenizer, generation_eos: Iterable[int]
) -> Stops:
    """Collect them, each with those who name it.

    :param generation_eos: ``eos_token_id`` of the model's generation config.
    :raises TemplateRefused: when the template cannot render a plain conversation.
    """
    named: dict[int, list[str]] = {}
    if tokenizer.eos is not None and (eos := tokenizer.id_of(tokenizer.eos)) is not None:
        named.setdefault(eos, []).append("tokenizer")
    for one in generation_eos:
        named.setdefault(one, []).append("generation config")
    strings: dict[str, str] = {}
    if not tokenizer.controls.keys() >= _HARMONY:
        for after in _after_answers(template):
            token = tokenizer.leading_control(after.lstrip())
            if token is not None:
                who = named.setdefault(tokenizer.controls[token], [])
                who += [] if "template" in who else ["template"]
            elif line := after.strip().partition("\n")[0].strip():
                strings[f"\n{line}"] = "template"
    return Stops({one: ", ".join(who) for one, who in named.items()}, strings)


def _after_answers(template: ChatTemplate) -> list[str]:
    """What the template writes after an answer: at the end, and before the next question."""
    asked = message(Role.USER, "How many?", "user")
    answered = message(Role.ASSISTANT, "Seven of them.", _SAID)
    return [
        _after_answer(template, [asked, answered]),
        _after_answer(template, [asked, answered, asked]),
    ]


def _after_answer(template: ChatTemplate, messages: list[Message]) -> str:
    rendered = template.render(messages, generation_prompt=False)
    at = next((at for at, part in enumerate(rendered.parts) if part.name == _SAID), None)
    if at is None or at + 1 == len(rendered.parts):
        return ""
    after = rendered.parts[at + 1]
    return rendered.text[after.start : after.end] if after.name == TEMPLATE else ""
