"""The embedding model loaded ahead, while the run loads the rest and reads documents."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from corpus.embedding import ChunkEncoder


@contextmanager
def loading(encoder: ChunkEncoder) -> Iterator[None]:
    """Have it loaded by a thread of its own, which has ended when the block has.

    What goes wrong there is told to who embeds something first: it is tried again then.
    """
    with ThreadPoolExecutor(1, "loading") as thread:
        thread.submit(encoder.encode_documents, [])
        yield
