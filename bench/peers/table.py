"""The table: a row for every figure, a column for every side, medians of the rounds.

Beside it how ours stands to the best peer in its default configuration, whichever that is for the
figure, and what was aimed for. A peer that was given our encoder is in a column and not among
those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.peers.environments import PEERS
from bench.peers.plots import Panel

Json = dict[str, Any]
Medians = dict[str, dict[str, float | str]]
"""By side, then by figure; a text where something else than a number came of it."""

OURS, HTTP, GIVEN = "ours", "ours over HTTP", "langchain_ours"


@dataclass(frozen=True, slots=True)
class Figure:
    """One row."""

    name: str
    shown: str
    digits: int
    path: tuple[str, ...]  # where a visit has it
    more_is_better: bool = False
    compared: bool = True  # with the best peer
    aim: str = ""


_RUNS = {
    "ingest": (">= 8 x", ">= 8 x", "<= 450 MB"),
    "same": (">= 30 x", "", ""),
    "changed": (">= 10 x", "", ""),
}
_SHOWN = {"ingest": "ingest", "same": "nothing changed", "changed": "1 % changed"}

FIGURES = (
    Figure("chunks", "chunks", 0, ("ingest", "chunks"), compared=False),
    *(
        Figure(f"{run} {key}", f"{_SHOWN[run]}, {unit}", digits, (run, key), aim=aim)
        for run, aims in _RUNS.items()
        for (key, unit, digits), aim in zip(
            (("wall_s", "s", 2), ("cpu_s", "CPU-s", 2), ("peak_mb", "peak MB", 0)),
            aims,
            strict=True,
        )
    ),
    Figure("disk", "store, MB", 1, ("disk_mb",)),
    Figure("first", "first answer after start, s", 2, ("questions", "first_s"), aim=">= 10 x"),
    Figure("resident", "resident while answering, MB", 0, ("questions", "resident_mb")),
    Figure("p50", "question p50, ms", 2, ("questions", "p50_ms"), aim=">= 4 x"),
    Figure("p99", "question p99, ms", 2, ("questions", "p99_ms")),
    Figure("cpu", "a question, CPU-ms", 2, ("questions", "cpu_ms")),
    *(
        Figure(
            f"rate {clients}",
            f"questions/s, {clients} client{'s' * (clients > 1)}",
            0,
            ("questions", "per_s", str(clients)),
            more_is_better=True,
            aim=">= 5 x" if clients == 2 else "",
        )
        for clients in (1, 2, 8)
    ),
)

FAILS = "fails"
STALE, NEW = "what is gone is still found", "what is new is found"


def medians(runs: Sequence[Json]) -> Medians:
    """The median of each figure over the rounds, by side; the service over HTTP as one more."""
    sides = list(dict.fromkeys(run["side"] for run in runs))
    found: Medians = {side: _middle([one for one in runs if one["side"] == side]) for side in sides}
    served = [{"questions": one["http"]} for one in runs if "http" in one]
    if served:
        found[HTTP] = _middle(served)
    return found


def _middle(visits: Sequence[Json]) -> dict[str, float | str]:
    row: dict[str, float | str] = {}
    for figure in FIGURES:
        values = [value for one in visits if (value := _value(one, figure.path)) is not None]
        if values:
            broken = any(isinstance(value, str) for value in values)
            row[figure.name] = FAILS if broken else median(values)
    whole = [one for one in visits if "fresh" in one]
    if whole:
        row[STALE] = _worst([_still_found(one) for one in whole], most=True)
        row[NEW] = _worst([one["fresh"] for one in whole], most=False)
    failed = [one["failed"] for one in visits if "failed" in one]
    return {**row, "failed": failed[0]} if failed else row


def _value(visit: Any, path: Sequence[str]) -> Any:
    """A figure of one visit; None where it has none."""
    for key in path:
        if key not in visit:
            return None
        visit = visit[key]
    return visit


def _still_found(visit: Json) -> list[bool]:
    """Which of what went is found afterwards.

    What was not found before it went says nothing by not being found now: it is left out.
    """
    return [now for now, before in zip(visit["stale"], visit["before"], strict=True) if before]


def _worst(looked: Sequence[Sequence[bool]], *, most: bool) -> str:
    """How many of how many were found, in the visit with the most or the fewest."""
    found = sorted(looked, key=lambda one: sum(one) / max(1, len(one)), reverse=most)[0]
    return f"{sum(found)} of {len(found)}"


def ratio(middle: Medians, figure: Figure, to: Sequence[str]) -> float | None:
    """How many times better ours is than the best of some; None where one has no figure."""
    own = middle[OURS].get(figure.name)
    others = [row for side in to if isinstance(row := middle[side].get(figure.name), (int, float))]
    if not isinstance(own, (int, float)) or not others:
        return None
    return own / max(others) if figure.more_is_better else min(others) / own


def markdown(middle: Medians) -> str:
    """The table as it stands in the README."""
    sides = [side for side in (OURS, HTTP, *PEERS) if side in middle]
    defaults = [side for side in PEERS if side in middle and side != GIVEN]
    lines = [_line(["", *(_shown(side) for side in sides), "best peer / ours", "aim"])]
    lines.append(_line(["---", *("---:" for _ in sides), "---:", "---"]))
    for figure in FIGURES:
        cells = [_cell(middle[side].get(figure.name), figure.digits) for side in sides]
        times = ratio(middle, figure, defaults) if figure.compared else None
        lines.append(_line([figure.shown, *cells, f"{times:.1f}" if times else "", figure.aim]))
    for name, aim in ((STALE, "0"), (NEW, "all")):
        lines.append(_line([name, *(str(middle[side].get(name, "")) for side in sides), "", aim]))
    lines += [
        f"\n{_shown(side)} failed: {middle[side]['failed']}"
        for side in sides
        if "failed" in middle[side]
    ]
    given = ratio(middle, FIGURES[1], [GIVEN]) if GIVEN in middle else None
    if given:
        lines.append(
            f"\nIngest against LangChain with our encoder: {given:.2f} x the wall time (aim: 1.5)."
        )
    return "\n".join(lines)


def panels(middle: Medians) -> list[Panel]:
    """What is drawn: the figures that an aim stands at, and memory."""
    drawn = ("ingest wall_s", "ingest peak_mb", "same wall_s", "changed wall_s", "first", "p50")
    figures = [one for one in FIGURES if one.name in (*drawn, "rate 2", "resident")]
    return [
        Panel(
            figure.shown,
            figure.digits,
            {
                _shown(side): value
                for side in middle
                if isinstance(value := middle[side].get(figure.name), (int, float))
            },
        )
        for figure in figures
    ]


def _shown(side: str) -> str:
    if side not in PEERS:
        return side
    return PEERS[side].shown + (" (told)" if PEERS[side].is_told else "")


def _cell(value: float | str | None, digits: int) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:,.{digits}f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
