"""The engine that answers with a generative model, served by vLLM.

It writes the prompt in the model's own format, token for token, sends token ids, and takes
thoughts and citations out of what comes back. It knows nothing of how the servers are found
or started.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from corpus.errors import (
    BadRequest,
    DeadlineExceeded,
    EngineFailed,
    EngineUnavailable,
    ModelUnusable,
)
from corpus.settings import Settings
from rag.answers import (
    CANNOT_ANSWER,
    Finish,
    FinishReason,
    Passage,
    Piece,
    Prepared,
    Question,
    Sampling,
    SamplingValue,
    Sent,
    Style,
)
from rag.engines.vllm import quoting
from rag.engines.vllm.client import Completion
from rag.engines.vllm.events import Delta, Usage
from rag.engines.vllm.markers import Markers
from rag.engines.vllm.output import Output, reader_of, writes_out_specials
from rag.engines.vllm.sampling import resolve
from rag.engines.vllm.slot import ModelSlot
from rag.engines.vllm.upstreams import Upstreams
from rag.prompt.conversation import condensing
from rag.prompt.fitting import Asking, Fitted, Room, fit
from rag.prompt.instructions import load
from rag.prompt.model import PromptModel
from rag.prompt.types import Prompt
from rag.scope import Scope

_CONTEXT = 4096  # tokens, where neither server nor configuration says
_CONDENSED_TOKENS = 96


class VllmEngine:
    """Generates. Safe to share between threads.

    :param slot: the model whose format the prompts have.
    :param upstreams: the servers that generate.
    :param why_not: tells why none can, for the caller who gets another answer instead.
    """

    def __init__(
        self,
        slot: ModelSlot,
        upstreams: Upstreams,
        settings: Settings,
        why_not: Callable[[], str] = str,
    ) -> None:
        self._slot, self._upstreams, self._why_not = slot, upstreams, why_not
        self._generation, self._vllm = settings.generation, settings.vllm
        self._instructions = load(settings.generation.instructions)

    @property
    def name(self) -> str:
        """What the caller asks for and the answer states."""
        return "vllm"

    @property
    def model(self) -> str | None:
        """The generative model."""
        return self._slot.name

    def prepare(self, question: Question, passages: Sequence[Passage]) -> Prepared:
        """Write the prompt with as many passages as fit.

        :raises EngineUnavailable: while the model's tokenizer is not loaded.
        :raises PromptTooLong: when not even one passage fits.
        :raises BadRequest: when there is no adapter of the name that is asked for.
        :raises EngineFailed: when the template refuses this conversation.
        """
        if not passages:
            return Prepared((), _says_nothing)
        if question.adapter is not None:
            self._served(question.adapter)
        model = self._slot.get()
        style = question.style or Style(self._generation.style)
        sampling = resolve(question.sampling, self._generation, model.files.generation_config)
        room = self._room(model, sampling)
        asking = Asking(self._instructions, style, self._generation.examples)
        with _as_failure():
            fitted = fit(model, asking, question, passages, room)
        constraint = quoting.constraint(fitted.shown) if style is Style.QUOTES else None
        sent = self._sent(model, fitted, sampling, room, constraint)
        generate = partial(self._generate, model, question, fitted.shown, sent)
        return Prepared(fitted.shown, generate, fitted.dropped, sent)

    def condense(self, question: Question, scope: Scope) -> str | None:
        """Have the model rewrite a follow-up question.

        :raises EngineFailed: when it could not.
        """
        model = self._slot.get()
        with _as_failure():
            prompt = model.write(condensing(self._instructions, question))
        sampling = resolve(
            Sampling(temperature=0.0, max_tokens=_CONDENSED_TOKENS), self._generation, {}
        )
        request = self._completion(model, prompt, sampling, None, None)
        output = Output(model, prompt, Markers(()), shows=False)
        said: list[Piece] = []
        for event in self._upstreams.stream(request, scope, scope.remaining()):
            if isinstance(event, Delta):
                said += output.feed(event.text)
        said += output.end()
        return "".join(piece for piece in said if isinstance(piece, str))

    def _room(self, model: PromptModel, sampling: dict[str, SamplingValue]) -> Room:
        """What the context holds, and how much of it an answer may have.

        An answer length from the settings gives way to a small context; one that was asked
        for in the request does not.
        """
        known = (self._upstreams.context(), self._vllm.max_model_len, model.context)
        context = min((one for one in known if one), default=_CONTEXT)
        wanted = sampling["max_tokens"]
        answer = int(str(wanted.value))
        if wanted.origin != "request" and answer > context // 2:
            answer = context // 2
            sampling["max_tokens"] = SamplingValue(
                answer, f"{wanted.origin}, cut to half the context"
            )
        return Room(context, answer, self._generation.passage_tokens)

    def _sent(
        self,
        model: PromptModel,
        fitted: Fitted,
        sampling: dict[str, SamplingValue],
        room: Room,
        constraint: str | None,
    ) -> Sent:
        return Sent(
            prompt=fitted.prompt,
            pieces=partial(model.tokenizer.pieces, fitted.prompt.ids),
            stops=model.stops,
            sampling=sampling,
            context=room.context,
            reserved=room.answer,
            instructions=self._instructions.title,
            left_out=fitted.left_out,
            constraint=constraint,
        )

    def _generate(
        self,
        model: PromptModel,
        question: Question,
        shown: Sequence[Passage],
        sent: Sent,
        scope: Scope,
    ) -> Iterator[Piece]:
        """Text, citations and thoughts as they come, and at last why it ended."""
        request = self._completion(
            model, sent.prompt, sent.sampling, sent.constraint, question.adapter
        )
        reader = reader_of(shown, sent.constraint)
        shows = self._generation.thinking == "shown"
        output = Output(model, sent.prompt, reader, shows=shows)
        finish, usage, began = FinishReason.STOP, Usage(len(sent.prompt.ids), 0), False
        try:
            for event in self._upstreams.stream(request, scope, self._vllm.first_token_s):
                if isinstance(event, Usage):
                    usage = event
                    continue
                began = began or bool(event.text)
                finish = FinishReason.LENGTH if event.finish_reason == "length" else finish
                yield from output.feed(event.text)
        except DeadlineExceeded:
            if not began:
                raise
            finish = FinishReason.DEADLINE
        rest = output.end()
        if finish is not FinishReason.STOP and not output.has_answered:
            raise EngineFailed(
                f"{self.model} used up its tokens or its time ({finish.value}) before it said "
                "anything but thoughts; generation.max_tokens gives it more"
            )
        yield from rest
        yield Finish(finish, usage.prompt_tokens, usage.completion_tokens)

    def _completion(
        self,
        model: PromptModel,
        prompt: Prompt,
        sampling: dict[str, SamplingValue],
        constraint: str | None,
        adapter: str | None,
    ) -> Completion:
        values = {name: one.value for name, one in sampling.items()}
        stop = [*(values.pop("stop", None) or ()), *model.stops.strings]  # type: ignore[misc]
        return Completion(
            prompt.ids,
            self._served(adapter),
            {
                **values,
                "stop": stop or None,
                "stop_token_ids": sorted(model.stops.ids),
                "skip_special_tokens": not writes_out_specials(model),
                "structured_outputs": {"regex": constraint} if constraint else None,
            },
        )

    def _served(self, adapter: str | None) -> str:
        """What the servers call the model, or the adapter.

        :raises BadRequest: when there is no such adapter.
        :raises EngineUnavailable: before any server has said what it serves.
        """
        served = self._upstreams.served()
        names = [one.id for one in served if (one.parent is None) == (adapter is None)]
        if not served:
            raise EngineUnavailable(self._why_not() or "no vLLM server has said what it serves")
        if adapter is None:
            return names[0]
        if adapter not in names:
            known = ", ".join(names) or "none"
            raise BadRequest(
                f"there is no adapter {adapter!r}; this service has: {known}", "adapter"
            )
        return adapter


@contextmanager
def _as_failure() -> Iterator[None]:
    """A template that refuses this conversation is a failure of the engine."""
    try:
        yield
    except ModelUnusable as error:
        raise EngineFailed(str(error)) from None


def _says_nothing(_: Scope) -> Iterator[Piece]:
    yield CANNOT_ANSWER
