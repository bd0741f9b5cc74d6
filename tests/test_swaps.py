"""A server under load while the corpus changes: no request fails, no answer mixes two snapshots."""

from __future__ import annotations

import functools
import json
import threading
import time
from typing import Any

from corpus.snapshot import Snapshot
from corpus.store import Store
from tests.conftest import Workbench, settings_for
from tests.test_server import serving, until

REQUESTS = 1000
SWAPS = 10
CLIENTS = 4


def test_a_thousand_requests_through_ten_swaps_all_answered_from_one_snapshot(
    bench: Workbench,
) -> None:
    bench.settings = settings_for(bench.store.path, RAG_INGEST__KEEP_SNAPSHOTS="100")
    publish(bench, 0)
    answers: list[tuple[int, str]] = []
    swapping = threading.Event()
    swapping.set()

    with serving(bench.store.path) as server:

        def keep_asking() -> None:
            while swapping.is_set() or len(answers) < REQUESTS:
                answers.append(server.ask())

        clients = [threading.Thread(target=keep_asking) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for version in range(1, SWAPS + 1):
            published = publish(bench, version)
            until(lambda new=published: server.get("/readyz")["snapshot"]["id"] == new, 10)
            time.sleep(0.05)
        swapping.clear()
        for client in clients:
            client.join()

    bodies = [json.loads(body) for status, body in answers if status == 200]
    assert len(answers) >= REQUESTS
    assert len(bodies) == len(answers)
    assert len({body["snapshot"]["id"] for body in bodies}) == SWAPS + 1
    assert not [body for body in bodies if is_mixed(bench, body)]


def publish(bench: Workbench, version: int) -> str | None:
    """Two documents that change together."""
    for office in ("north", "south"):
        text = f"In {office} every employee gets {version + 20} days of annual leave.\n"
        bench.write(f"{office}.md", text)
    return bench.ingest().snapshot


def is_mixed(bench: Workbench, body: Any) -> bool:
    """Whether not every citation is what the answer's own snapshot says."""
    snapshot = opened(bench.store, body["snapshot"]["id"])
    assert len(body["citations"]) == 2
    return any(
        snapshot.document(one["document"]["id"]).text[one["start"] : one["end"]] != one["quote"]
        for one in body["citations"]
    )


@functools.cache
def opened(store: Store, snapshot_id: str) -> Snapshot:
    return store.open(snapshot_id)
