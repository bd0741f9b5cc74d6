"""A service for tests: real store, real search, real server, and engines that behave to order.

    python -m tests.serving STORE [--port 0] [--grace 3] [--every 15m]

serves a store that was made with the word-hash encoder, and prints its URL once it answers.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from corpus.errors import EngineFailed
from corpus.settings import Settings, load
from corpus.store import Store
from rag.answerer import Answerer
from rag.answers import CANNOT_ANSWER, Cite, Engine, Passage, Piece, Prepared, Question
from rag.engines.vllm.generation import Generation
from rag.live import LiveCorpus
from rag.scope import Scope
from tests.conftest import WordHashEncoder


class Quoting:
    """Quotes each sentence that shares two long words with the question; the default."""

    name = "quoting"
    model: str | None = None

    def condense(self, question: Question, scope: Scope) -> str | None:
        return None

    def prepare(self, question: Question, passages: Sequence[Passage]) -> Prepared:
        shown = tuple(passages)
        return Prepared(shown, lambda _: self.generate(question, shown))

    def generate(self, question: Question, passages: Sequence[Passage]) -> Iterator[Piece]:
        asked = long_words(question.text)
        said = False
        for passage in passages:
            for number, sentence in enumerate(passage.sentences, start=1):
                if len(asked & long_words(sentence.text)) >= 2:
                    yield f" {sentence.text}" if said else sentence.text
                    yield Cite(passage.number, number)
                    said = True
        if not said:
            yield CANNOT_ANSWER


class Terse(Quoting):
    """Quotes one sentence."""

    name = "terse"

    def generate(self, question: Question, passages: Sequence[Passage]) -> Iterator[Piece]:
        yield from itertools.islice(super().generate(question, passages), 2)


class Silent(Quoting):
    """Says nothing for a while first."""

    name = "silent"
    seconds = 2.5

    def generate(self, question: Question, passages: Sequence[Passage]) -> Iterator[Piece]:
        time.sleep(self.seconds)
        yield from super().generate(question, passages)


class Mute(Silent):
    """Says nothing for longer than any test waits."""

    name = "mute"
    seconds = 20.0


class Endless(Quoting):
    """Never stops by itself; writes down when it was stopped."""

    name = "endless"

    def __init__(self, notes: Path) -> None:
        self._notes = notes

    def generate(self, question: Question, passages: Sequence[Passage]) -> Iterator[Piece]:
        try:
            while True:
                yield "word "
                time.sleep(0.05)
        finally:
            self._notes.write_text(f"{time.time()}")


class Breaking(Quoting):
    """Breaks in the middle of an answer, as an engine may."""

    name = "breaking"

    def generate(self, question: Question, passages: Sequence[Passage]) -> Iterator[Piece]:
        yield "The answer is"
        raise EngineFailed("the engine ran out of steam")


class Crashing(Quoting):
    """Fails in a way that nobody foresaw."""

    name = "crashing"

    def generate(self, question: Question, passages: Sequence[Passage]) -> Iterator[Piece]:
        yield "The answer is"
        raise ZeroDivisionError("a secret of the operator")


def long_words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}


def service_of(
    settings: Settings, notes: Path, generation: Generation | None = None
) -> tuple[Answerer, LiveCorpus, Store]:
    """The rooms that the HTTP service opens a door to, over a store of the word-hash encoder."""
    store, encoder = Store(settings.store), WordHashEncoder()
    live = LiveCorpus(store, encoder)
    engines: list[Engine] = [Quoting(), Terse(), Silent(), Mute(), Endless(notes), Breaking()]
    engines += [Crashing(), *([generation.engine] if generation else [])]
    stand_in = Quoting.name if generation else "none"
    return Answerer(live, encoder, engines, settings.retrieval, stand_in), live, store


def events_of(body: str) -> list[tuple[str, dict[str, object]]]:
    """The events of a stream, comments left out, as (name, data)."""
    events = []
    for block in body.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and line[0] != ":")
        if fields:
            events.append((fields["event"], json.loads(fields["data"])))
    return events


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--grace", type=int, default=10)
    parser.add_argument("--every", default="")
    parser.add_argument("--model", default="", help="talk to a vLLM server with this model")
    parser.add_argument("--vllm", default="", help="its URL")
    args = parser.parse_args()
    serve_settings = {"port": args.port, "threads": 16, "refresh_every": args.every}
    settings = load(
        {},
        {
            "store": args.store,
            "serve": serve_settings,
            "generation": {"model": args.model},
            "vllm": {"urls": args.vllm},
        },
    )

    from corpus.errors import RagError
    from rag import service
    from rag.server import Service, serve

    def build() -> Service:
        generation = Generation(settings) if args.model else None
        rooms = service_of(settings, args.store.parent / "notes", generation)
        return service.start(*rooms, settings, generation)

    try:
        serve(build, settings.serve, ready=lambda url: print(url, flush=True), grace_s=args.grace)
    except RagError as error:
        sys.exit(f"rag: {error}")


if __name__ == "__main__":
    main()
