"""Drawings of a run as inline SVG: bars with intervals, a histogram of ranks, a curve.

Nothing but shapes and text; every text is escaped where it is put in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from rag.evaluation.bootstrap import Estimate
from rag.evaluation.coverage import Curve
from rag.evaluation.measures import LOWER_IS_BETTER

_BAR, _GAP, _LABELS, _LENGTH = 18, 8, 230, 420
_PLOT, _EDGE = 320, 44

RANKS = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, 20), (21, 50), (51, 100))
"""The places that one column of the histogram counts, first and last."""


def bars(estimates: Mapping[str, Estimate]) -> Markup:
    """One bar a measure, from 0 to 1, with its interval as a line."""
    parts = []
    for row, (name, one) in enumerate(estimates.items()):
        top = row * (_BAR + _GAP)
        middle = top + _BAR / 2
        low, high, end = (_LABELS + _LENGTH * value for value in (one.low, one.high, one.value))
        parts.append(
            Markup(
                '<text x="{}" y="{}" text-anchor="end">{}</text>'
                '<rect class="rail" x="{}" y="{}" width="{}" height="{}"/>'
                '<rect class="bar" x="{}" y="{}" width="{:.1f}" height="{}"/>'
                '<path class="line" d="M{:.1f} {}H{:.1f}M{:.1f} {}v8M{:.1f} {}v8"/>'
                '<text x="{}" y="{}">{:.3f}</text>'
            ).format(
                *(_LABELS - 8, middle + 5, _labelled(name)),
                *(_LABELS, top, _LENGTH, _BAR),
                *(_LABELS, top, end - _LABELS, _BAR),
                *(low, middle, high, low, middle - 4, high, middle - 4),
                *(_LABELS + _LENGTH + 8, middle + 5, one.value),
            )
        )
    height = len(estimates) * (_BAR + _GAP)
    return _svg(_LABELS + _LENGTH + 60, height, "The measures with their intervals", parts)


def _labelled(name: str) -> str:
    return f"{name} (lower is better)" if name in LOWER_IS_BETTER else name


def histogram(ranks: Sequence[int | None]) -> Markup:
    """How many questions find their gold at which place."""
    columns = [
        (str(a) if a == b else f"{a}-{b}", sum(a <= (rank or 0) <= b for rank in ranks))
        for a, b in RANKS
    ]
    columns.append(("none", sum(rank is None for rank in ranks)))
    most = max(1, *(count for _, count in columns))
    parts = []
    for number, (label, count) in enumerate(columns):
        left, height = number * 66 + 8, 180 * count / most
        parts.append(
            Markup(
                '<rect class="bar" x="{}" y="{:.1f}" width="50" height="{:.1f}"/>'
                '<text x="{}" y="{:.1f}" text-anchor="middle">{}</text>'
                '<text x="{}" y="222" text-anchor="middle">{}</text>'
            ).format(
                *(left, 204 - height, height),
                *(left + 25, 198 - height, count),
                *(left + 25, label),
            )
        )
    return _svg(66 * len(columns) + 8, 230, "Questions by the rank of their first good hit", parts)


def risk(curve: Curve) -> Markup:
    """The risk-coverage curve, and where the engine stands on it."""
    points = [(_x(c), _y(r)) for c, r in zip(curve.coverage, curve.risk, strict=True)]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    here = _x(curve.answered)
    parts = [
        Markup('<path class="rail" d="M{} {}H{}V{}H{}Z"/>').format(
            _EDGE, _y(0), _x(1), _y(1), _EDGE
        ),
        Markup('<path class="curve" d="{}"/>').format(path),
        Markup('<path class="line" d="M{:.1f} {}V{}" stroke-dasharray="4 4"/>').format(
            here, _y(0), _y(1)
        ),
        Markup('<text x="{:.1f}" y="12" text-anchor="middle">answered {:.0%}</text>').format(
            min(here, _x(1) - 40), curve.answered
        ),
    ]
    for value in (0, 0.25, 0.5, 0.75, 1):
        parts.append(
            Markup(
                '<text x="{:.1f}" y="{}" text-anchor="middle">{:.0%}</text>'
                '<text x="{}" y="{:.1f}" text-anchor="end">{:.0%}</text>'
            ).format(_x(value), _y(0) + 18, value, _EDGE - 6, _y(value) + 5, value)
        )
    parts.append(
        Markup(
            '<text x="{}" y="{}" text-anchor="middle">coverage (across), risk (up)</text>'
        ).format(_EDGE + _PLOT / 2, _y(0) + 38)
    )
    return _svg(_PLOT + _EDGE + 24, _PLOT + 68, "Risk by coverage", parts)


def _x(coverage: float) -> float:
    return _EDGE + _PLOT * coverage


def _y(risk_: float) -> float:
    return 20 + _PLOT * (1 - risk_)


def _svg(width: float, height: float, title: str, parts: Sequence[Markup]) -> Markup:
    head = Markup('<svg viewBox="0 0 {} {}" width="{}" role="img"><title>{}</title>').format(
        width, height, width, title
    )
    return head + Markup("").join(parts) + Markup("</svg>")
