"""A real server under eight clients while its snapshot is swapped 200 times.

Every answer names its snapshot, and its text carries the number of the version that it was
published as: passages, citations, quotes and offsets must all be of that one. Clients ask at
a steady pace, first while nothing changes, then through the swaps, so that the two times can
be told apart.
"""

from __future__ import annotations

import json
import re
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import Workbench, settings_for
from tests.serving import events_of
from tests.test_server import Server, serving, until

CLIENTS = 8
OFFICES = ("north", "south", "east")
PAUSE_S = 0.1
FIRST = 1000  # the number of the first version: found in no other number of an answer

Answer = tuple[float, bool, int, str]  # seconds, streamed, status, body


def measure(swaps: int = 200, requests: int = 10_000, idle: int = 2_000) -> dict[str, Any]:
    """Ask through the swaps, hold every answer against its snapshot.

    :param idle: requests before the first swap, for comparison.
    """
    with tempfile.TemporaryDirectory() as scratch:
        bench = Workbench(Path(scratch))
        bench.settings = settings_for(bench.store.path)
        versions = {publish(bench, FIRST): FIRST}
        with serving(bench.store.path) as server:
            quiet = ask_while(server, lambda answers: until_many(answers, idle))

            def swap(answers: list[Answer]) -> None:
                for version in range(FIRST + 1, FIRST + 1 + swaps):
                    published = publish(bench, version)
                    versions[published] = version
                    wait_until_served(server, published)
                until_many(answers, requests)

            busy = ask_while(server, swap)
    failed = [one for one in quiet + busy if one[2] != 200]
    mixed = [one for one in quiet + busy if one[2] == 200 and is_mixed(one, versions)]
    seen = {snapshot_of(one) for one in busy if one[2] == 200}
    before, now = p99_ms([one[0] for one in quiet]), p99_ms([one[0] for one in busy])
    return {
        "clients": CLIENTS,
        "swaps": swaps,
        "requests": len(busy),
        "errors": len(failed),
        "mixed": len(mixed),
        "snapshots_that_answered": len(seen),
        "idle_p99_ms": before,
        "p99_ms": now,
        "p99_above_idle_ms": round(now - before, 1),
    }


def prove() -> dict[str, Any]:
    """What the figures must be, or an ``AssertionError`` with what they are."""
    measured = measure()
    assert measured["errors"] == 0, measured
    assert measured["mixed"] == 0, measured
    assert measured["snapshots_that_answered"] >= 0.9 * measured["swaps"], measured
    assert measured["p99_above_idle_ms"] <= 50, measured
    return measured


def publish(bench: Workbench, version: int) -> str:
    """Documents that change together."""
    for office in OFFICES:
        bench.write(f"{office}.md", text_of(office, version))
    return str(bench.ingest().snapshot)


def text_of(office: str, version: int) -> str:
    """The number stands at another place in each version, so that offsets differ too."""
    return f"{'Now ' * (version % 5)}In {office} every employee gets {version} days of leave.\n"


def is_mixed(answer: Answer, versions: dict[str, int]) -> bool:
    """Whether anything in an answer is not of the snapshot that it names."""
    _, streamed, _, body = answer
    version = versions.get(snapshot_of(answer))
    said: list[Any] = [data for _, data in events_of(body)] if streamed else [json.loads(body)]
    numbers = {int(one) for one in re.findall(r"gets (\d+) days", json.dumps(said))}
    citations = said[-1]["citations"]
    assert isinstance(citations, list)
    snapshots = {one["snapshot"]["id"] for one in said if isinstance(one.get("snapshot"), dict)}
    return (
        version is None
        or len(snapshots) != 1
        or numbers != {version}
        or len(citations) != len(OFFICES)
        or any(quote_of(one, version) != one["quote"] for one in citations)
    )


def quote_of(citation: Any, version: int) -> str:
    text = text_of(citation["document"]["id"].removesuffix(".md"), version)
    return text[citation["start"] : citation["end"]]


def snapshot_of(answer: Answer) -> str:
    _, streamed, _, body = answer
    said: Any = events_of(body)[-1][1] if streamed else json.loads(body)
    return str(said["snapshot"]["id"])


def ask_while(server: Server, act: Callable[[list[Answer]], None]) -> list[Answer]:
    """What the clients were answered while something was done."""
    answers: list[Answer] = []
    going_on = threading.Event()
    going_on.set()

    def keep_asking(client: int) -> None:
        streamed = bool(client % 2)
        while going_on.is_set():
            began = time.perf_counter()
            try:
                status, body = server.ask(stream=streamed)
            except OSError as error:
                status, body = 0, str(error)
            answers.append((time.perf_counter() - began, streamed, status, body))
            time.sleep(PAUSE_S)

    clients = [threading.Thread(target=keep_asking, args=(one,)) for one in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        act(answers)
    finally:
        going_on.clear()
        for client in clients:
            client.join()
    return answers


def until_many(answers: list[Answer], number: int) -> None:
    until(lambda: len(answers) >= number, 3600)


def wait_until_served(server: Server, snapshot_id: str) -> None:
    until(lambda: server.get("/readyz")["snapshot"]["id"] == snapshot_id, 30)


def p99_ms(seconds: list[float]) -> float:
    return round(1000 * sorted(seconds)[len(seconds) * 99 // 100], 1)
