"""Whether a model can be talked to, found out before anybody asks it something."""

from __future__ import annotations

from corpus.errors import TemplateRefused
from rag.prompt.model import PromptModel
from rag.prompt.types import Message, Prompt, Role, message

_SYSTEM = "Answer from the passages only."
_TURNS = (
    (Role.USER, "Where is the key?"),
    (Role.ASSISTANT, "It hangs beside the door."),
    (Role.USER, "Größe: 5 µm, «naïve»?\n\n  x = {'a': [1.2]}  # 日本語"),
)


def check(model: PromptModel) -> Prompt:
    """Render and encode a conversation, and look at what came of it.

    * bos stands at most once, and at the beginning;
    * every turn is there, in order;
    * the ids are those of the model's own tokenizer for the whole text;
    * the ids give the text back;
    * something ends an answer.

    :return: the prompt that was tried.
    :raises TemplateRefused: at the first of these that does not hold.
    """
    messages = [message(Role.SYSTEM, _SYSTEM, "0")]
    messages += [message(role, text, str(at)) for at, (role, text) in enumerate(_TURNS, start=1)]
    prompt = model.write(messages)
    _check_bos(model, prompt)
    _check_turns(prompt, messages)
    _check_ids(model, prompt)
    if not model.stops.ids and not model.stops.strings:
        raise TemplateRefused(
            f"nothing ends an answer of {model.name}: neither its tokenizer nor its generation "
            "config names an end token, and its chat template writes none after an answer"
        )
    return prompt


def _check_bos(model: PromptModel, prompt: Prompt) -> None:
    bos = model.tokenizer.controls.get(model.tokenizer.bos or "")
    if bos is not None and prompt.ids[:2] == (bos, bos):
        raise TemplateRefused(f"the prompts of {model.name} begin with {model.tokenizer.bos} twice")


def _check_turns(prompt: Prompt, messages: list[Message]) -> None:
    order = [part.name for part in prompt.rendered.parts if part.name.isdigit()]
    wanted = [str(at) for at in range(len(messages))]
    turns = [name for name in dict.fromkeys(order) if name != "0"]  # some put the system's last
    if turns != wanted[1:] or "0" not in order:
        raise TemplateRefused(
            f"the chat template puts turns {', '.join(wanted)} in the order {', '.join(order)}"
        )


def _check_ids(model: PromptModel, prompt: Prompt) -> None:
    own = tuple(model.tokenizer.own(prompt.rendered.text).ids)
    if prompt.ids not in (own, (*prompt.ids[:1], *own)):
        raise TemplateRefused(
            f"the tokens of a prompt are not those that the tokenizer of {model.name} makes of it"
        )
    back = model.tokenizer.decode(prompt.ids[len(prompt.ids) - len(own) :])
    if "".join(back.split()) != "".join(prompt.rendered.text.split()):
        raise TemplateRefused(
            f"the tokenizer of {model.name} does not give back the text that it was given"
        )
