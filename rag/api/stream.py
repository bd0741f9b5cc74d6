"""Server-sent events from an answer that is being made.

The answer is made in a thread that feeds a bounded queue; the thread of the request takes
from it and writes. So a comment goes out whenever nothing else was sent for a second, and
a client that has left is noticed within :data:`LOOK_S` even while the engine is silent:
the making of the answer is then given up. A stream ends with exactly one ``done`` or
``error``.
"""

from __future__ import annotations

import json
import math
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import groupby
from typing import Any

from corpus.errors import EngineFailed
from rag.events import Asked, Cited, Degraded, Done, Event, Found, Meta, Said, Thinking
from rag.wire import Json, answer_json, citation_json, passage_json, snapshot_json

PING_S = 1.0  # silence before a comment is sent
LOOK_S = 0.25  # how often the connection is looked at
AHEAD = 64  # events made before the client has taken them
PACE_S = 0.01  # between words that follow each other; a screen shows sixty pictures a second

PING = ": ping\n\n"


class Draining:
    """Whether the server is stopping, and until when open streams may go on."""

    def __init__(self) -> None:
        self._until: float | None = None

    def start(self, seconds: float) -> None:
        """Let open streams go on for that long. Called from a signal handler: no locks."""
        self._until = time.monotonic() + seconds

    def started(self) -> bool:
        """Whether the server is stopping."""
        return self._until is not None

    def over(self) -> bool:
        """Whether a stream that is still open must be cut now."""
        return self._until is not None and time.monotonic() > self._until


class Making:
    """An answer being made in its own thread, ahead of its reader by at most AHEAD events.

    :param end: called when nobody reads on; ends whatever the making waits for.
    :param pace_s: between words that follow each other.
    """

    def __init__(
        self,
        events: Callable[[], Iterator[Event]],
        end: Callable[[], None] = lambda: None,
        pace_s: float = PACE_S,
    ) -> None:
        self._events, self._end, self._pace_s = events, end, pace_s
        self._queue = queue.Queue[Event | Exception](AHEAD)
        self._failed: Exception | None = None
        self._given_up = threading.Event()
        self._made = threading.Event()
        self._thread = threading.Thread(target=self._make, daemon=True)
        self._thread.start()

    def next(self, timeout: float) -> Event:
        """The next event.

        :raises queue.Empty: when there was none in that time.
        :raises Exception: whatever the making of the answer raised.
        """
        item = self._failed or self._queue.get(timeout=timeout)
        if isinstance(item, Exception):
            raise item
        return item

    def more(self) -> Iterator[Event]:
        """The events that are there already, up to the last of the answer.

        What the making of the answer raised is kept for :meth:`next`.
        """
        with suppress(queue.Empty):
            while self._failed is None:
                item = self._queue.get_nowait()
                if isinstance(item, Exception):
                    self._failed = item
                    return
                yield item
                if isinstance(item, Done):
                    return

    def gather(self, since: float) -> None:
        """Let words gather until the pace allows more of them, or the answer is made.

        A reader that waits for single words is woken for each of them, which costs more than
        all else that is done for a word.

        :param since: when words were last sent, by ``time.monotonic``.
        """
        seconds = since + self._pace_s - time.monotonic()
        if seconds > 0:
            self._made.wait(seconds)

    def give_up(self) -> None:
        """Nobody reads on: end the making of the answer."""
        self._given_up.set()
        self._end()

    def _make(self) -> None:
        try:
            events = self._events()
            try:
                for event in events:
                    self._put(event)
                    if self._given_up.is_set():
                        return
            finally:
                close = getattr(events, "close", None)
                if close is not None:
                    close()
            self._put(EngineFailed("the answer ended without its last event"))
        except Exception as error:  # noqa: BLE001  # it is raised again in the reader's thread
            self._put(error)

    def _put(self, item: Event | Exception) -> None:
        if isinstance(item, Done | Exception):
            self._made.set()
        while not self._given_up.is_set():
            with suppress(queue.Full):
                self._queue.put(item, timeout=LOOK_S)
                return


def event_stream(
    making: Making,
    first: Event | None,
    *,
    draining: Draining,
    gone: Callable[[], bool],
    fail: Callable[[Exception], Json],
) -> Iterator[str]:
    """The text of the stream. Words come as they are made, but not faster than the pace.

    :param first: the event that was already taken from ``making``, if any was.
    :param gone: whether the client has left.
    :param fail: logs an error and gives the body that tells of it.
    """
    try:
        event = first
        if event is not None:
            yield written(event)
        sent, said = time.monotonic(), -math.inf
        while not isinstance(event, Done):
            if gone():
                return
            if draining.over():
                raise EngineFailed("the server is stopping; ask again in a moment")
            try:
                event = making.next(LOOK_S)
            except queue.Empty:
                if time.monotonic() - sent < PING_S - LOOK_S / 2:
                    continue
                yield PING
            else:
                if isinstance(event, Said):
                    making.gather(said)
                    said = time.monotonic()
                ready = [event] if isinstance(event, Done) else [event, *making.more()]
                event = ready[-1]
                yield "".join(map(written, joined(ready)))
            sent = time.monotonic()
    except Exception as error:  # noqa: BLE001  # told to the client as the last event
        yield _text("error", fail(error))
    finally:
        making.give_up()


def joined(events: Iterable[Event]) -> Iterator[Event]:
    """The same events, with words that follow each other as one.

    Events wait together only when they come faster than they can be sent; fewer and larger
    ones are then what lets the sender catch up.
    """
    for said, group in groupby(events, lambda event: isinstance(event, Said)):
        if said:
            yield Said("".join(event.text for event in group if isinstance(event, Said)))
        else:
            yield from group


def written(event: Event) -> str:
    """An event as it goes over the wire."""
    name, body = _FORMS[type(event)]
    return _text(name, body(event))


def _meta(event: Meta) -> Json:
    return {
        "id": event.id,
        "engine": event.engine,
        "model": event.model,
        "snapshot": snapshot_json(event.snapshot),
    }


_FORMS: dict[type[Event], tuple[str, Callable[[Any], Json]]] = {
    Meta: ("meta", _meta),
    Asked: ("query", lambda event: {"text": event.query}),
    Found: ("passages", lambda event: {"passages": [passage_json(p) for p in event.passages]}),
    Degraded: ("degraded", lambda event: {"engine": event.engine, "reason": event.reason}),
    Thinking: ("thought", lambda event: {"text": event.text}),
    Said: ("token", lambda event: {"text": event.text}),
    Cited: ("citation", lambda event: citation_json(event.citation)),
    Done: ("done", lambda event: answer_json(event.answer)),
}
"""The name of each event in a stream, and its data."""


def has_left(connection: socket.socket | None) -> bool:
    """Whether the other end of a connection is closed, without taking bytes from it.

    A client that closes its sending half only is taken for one that left, as browsers and
    proxies never do that.
    """
    if connection is None:
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _text(name: str, body: dict[str, Any]) -> str:
    """JSON without line breaks: one ``data`` line is the whole event."""
    return f"event: {name}\ndata: {json.dumps(body)}\n\n"
