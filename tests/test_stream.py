"""The text of a stream: when words go out, and when they wait for each other."""

from __future__ import annotations

import queue
from collections.abc import Iterator

from corpus.errors import EngineFailed
from rag.api.stream import Draining, Making, event_stream
from rag.events import Event, Said, Thinking

NEVER_S = 3600.0


def streamed(events: Iterator[Event], pace_s: float) -> Iterator[str]:
    return event_stream(
        Making(lambda: events, pace_s=pace_s),
        None,
        draining=Draining(),
        gone=lambda: False,
        fail=lambda error: {"error": str(error)},
    )


def test_words_wait_for_each_other_but_not_the_first_and_not_the_end() -> None:
    shown: queue.Queue[None] = queue.Queue()

    def events() -> Iterator[Event]:
        yield Said("one")
        shown.get(timeout=10)  # until the first has gone out
        for word in (" two", " three", " four"):
            yield Said(word)
        raise EngineFailed("broke")

    stream = streamed(events(), NEVER_S)
    assert next(stream) == 'event: token\ndata: {"text": "one"}\n\n'
    shown.put(None)
    assert list(stream) == [
        'event: token\ndata: {"text": " two three four"}\n\n',
        'event: error\ndata: {"error": "broke"}\n\n',
    ]


def test_what_is_no_word_does_not_wait() -> None:
    shown: queue.Queue[None] = queue.Queue()

    def events() -> Iterator[Event]:
        for thought in ("a", "b"):
            yield Thinking(thought)
            shown.get(timeout=10)  # comes only once this one has gone out
        raise EngineFailed("broke")

    texts = []
    for text in streamed(events(), NEVER_S):
        texts.append(text)
        shown.put(None)
    assert [text.splitlines()[1] for text in texts[:2]] == [
        'data: {"text": "a"}',
        'data: {"text": "b"}',
    ]
