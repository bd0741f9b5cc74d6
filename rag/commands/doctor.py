"""``rag doctor``: what is well and what is not; and whether this machine keeps a store whole."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag.commands.common import Session, with_session
from rag.console import printable, table

if TYPE_CHECKING:
    from rag.commands.tally import Result

TIME_S = 20.0  # that crashes are tried for, where no number of rounds is given
_TELL_S = 5.0


@click.command()
@click.option("--destructive", is_flag=True, help="Crash and damage small stores of its own.")
@click.option("--rounds", type=click.IntRange(1), help="Crashes to try; default: for 20 seconds.")
@click.option("--seed", type=int, help="Try the same again: the number that was told.")
@click.option(
    "--scratch",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where to make the stores that are crashed, e.g. on another disk.",
)
@with_session
def command(
    session: Session, destructive: bool, rounds: int | None, seed: int | None, scratch: Path | None
) -> None:
    """What is installed, which models are here, how the store stands, and what is wrong.

    Exit code 1 if something is. With --destructive, nothing is looked at: small stores in a
    scratch folder are crashed and damaged on this machine, never yours, and exit code 1 says
    that something was lost.

    \b
        rag doctor
        rag doctor --destructive --rounds 200
    """
    if destructive:
        _torture(session, rounds, seed, scratch)
    elif rounds is not None or seed is not None or scratch is not None:
        raise click.UsageError("--rounds, --seed and --scratch are for --destructive")
    else:
        _examine(session)


def _examine(session: Session) -> None:
    from rag.commands.examining import Verdict, examine

    findings = list(examine(session.settings()))
    bad = [one for one in findings if one.verdict is Verdict.BAD]
    signs = {Verdict.WELL: "ok", Verdict.NOTE: "--", Verdict.BAD: "!!"}
    rows = [(signs[one.verdict], one.about, printable(one.detail)) for one in findings]
    said = f"{len(bad)} things are not well" if bad else "all is well"
    value = {"well": not bad, "findings": [asdict(one) for one in findings]}
    session.console.result(f"{table(rows)}\n{said}", value)
    if bad:
        raise click.exceptions.Exit(1)


def _torture(session: Session, rounds: int | None, seed: int | None, place: Path | None) -> None:
    from rag.commands.torture import torture

    chosen = time.time_ns() % 1_000_000 if seed is None else seed
    scratch = Path(tempfile.mkdtemp(prefix="rag-doctor-", dir=place))
    began = told = time.monotonic()

    def goes_on(done: int) -> bool:
        return done < rounds if rounds is not None else time.monotonic() - began < TIME_S

    def tell(result: Result) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_S:
            told = time.monotonic()
            session.console.note(f"{told - began:.0f} s: {result.summary()}")

    session.console.note(f"crashing and damaging small stores in {scratch}, seed {chosen}")
    try:
        result = torture(scratch, chosen, goes_on, tell)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    kept = scratch if result.losses else None
    if kept is None:
        shutil.rmtree(scratch)
    value = {
        **asdict(result),
        "lost": len(result.losses),
        "seconds": round(time.monotonic() - began, 1),
        "scratch": str(kept) if kept else None,
    }
    session.console.result(_told(result, kept), value)
    if result.losses:
        raise click.exceptions.Exit(1)


def _told(result: Result, kept: Path | None) -> str:
    head = ("", "tried", "it hit", "state before", "state after", "LOST")
    rows = [
        (kind, *map(str, (one.rounds, one.struck, one.before, one.after, one.lost)))
        for kind, one in sorted(result.tallies.items())
    ]
    lines = [table([head, *rows]), *map(printable, result.losses), result.summary()]
    if kept is not None:
        lines.append(f"kept for a look: {kept}; seed {result.seed}")
    return "\n".join(lines)
