"""``rag serve``: answer over HTTP."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from corpus.errors import SettingsError
from rag.commands.common import Session, with_session

if TYPE_CHECKING:
    from corpus.settings import Settings

log = logging.getLogger(__name__)


@click.command()
@click.option("--host", help="Address to listen on; default: 127.0.0.1.")
@click.option("--port", type=int, help="Port to listen on; default: 8000.")
@click.option("--engine", metavar="NAME", help="extractive or vllm; default: extractive.")
@click.option("--model", metavar="NAME", help="The model of vllm: a hub id or a folder.")
@click.option("--vllm-url", multiple=True, metavar="URL", help="A vLLM server; repeatable.")
@click.option("--vllm-bin", metavar="PATH", help="The command `vllm` of another environment.")
@click.option("--refresh-every", metavar="INTERVAL", help="Refresh while serving, e.g. 15m.")
@click.option("--refresh-cron", metavar="EXPRESSION", help="Refresh when due, e.g. '0 * * * *'.")
@with_session
def command(
    session: Session,
    host: str | None,
    port: int | None,
    engine: str | None,
    model: str | None,
    vllm_url: tuple[str, ...],
    vllm_bin: str | None,
    refresh_every: str | None,
    refresh_cron: str | None,
) -> None:
    """Answer over HTTP, with a page to ask from at /.

    A new snapshot, whoever publishes it, is served as soon as it is there.

    \b
        rag serve
        rag serve --port 9000 --refresh-every 15m
        rag serve --engine vllm --model google/gemma-2-9b-it

    With the engine vllm a vLLM server is started and kept running, unless --vllm-url names
    one; until it is ready, and whenever it is not, answers are extractive and say so.
    """
    from rag.engines.choice import wants_vllm
    from rag.server import Service, serve

    flags = {"host": host, "port": port, "refresh_every": refresh_every}
    settings = session.settings(
        {
            "serve": {**flags, "refresh_cron": refresh_cron},
            "answer": {"engine": engine},
            "generation": {"model": model},
            "vllm": {"urls": vllm_url or None, "bin": vllm_bin},
        }
    )
    _check_schedule(settings)
    wants_vllm(settings)  # refuses an engine that cannot be had, before anything is started

    def build() -> Service:
        from rag.commands.opening import open_corpus
        from rag.service import start

        _tell_changed_models(settings)
        opened = open_corpus(settings)
        return start(opened.answerer, opened.live, opened.store, settings, opened.generation)

    serve(build, settings.serve, ready=lambda url: session.console.note(_greeting(url)))


def _tell_changed_models(settings: Settings) -> None:
    """Say which models are not those that rag.lock holds, where there is one."""
    from rag.models.lock import LOCK_NAME
    from rag.models.verify import check_locked

    for problem in check_locked(settings, Path(LOCK_NAME)):
        log.warning("%s", problem)


def _check_schedule(settings: Settings) -> None:
    """Refuse a schedule that cannot be kept before anything is started."""
    from ingest import schedule

    serve = settings.serve
    if serve.refresh_every and serve.refresh_cron:
        raise SettingsError(
            "serve.refresh_every and serve.refresh_cron exclude each other; set one of them"
        )
    if settings.schedule.jitter:
        schedule.parse_interval(settings.schedule.jitter)
    if serve.refresh_every:
        schedule.parse_interval(serve.refresh_every)
    if serve.refresh_cron:
        schedule.parse_cron(serve.refresh_cron, serve.timezone)


def _greeting(url: str) -> str:
    return "\n".join(
        (
            f"Serving on {url}  (Ctrl-C to stop)",
            f"  open   {url}/",
            f"  ask    curl -s {url}/v1/ask -H 'content-type: application/json' \\",
            """              -d '{"question": "What is a token?"}'""",
            f"  state  curl -s {url}/readyz",
        )
    )
