"""Drawings for the documentation, as SVG files: bars by side, curves by size.

Nothing but shapes and text; every text is escaped where it is put in. Colours follow the reader's
light or dark scheme.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

FOLDER = Path(__file__).parent.parent.parent / "docs" / "plots"

_ROW, _TITLE, _LABELS, _LENGTH, _VALUES = 20, 30, 190, 380, 80
_PLOT_WIDTH, _PLOT_HEIGHT, _EDGE, _BETWEEN, _BELOW = 300, 180, 64, 50, 56
_STYLE = Markup(
    "<style>text{font:13px sans-serif;fill:#222}.name{font-weight:bold}.bar{fill:#9aa5b1}"
    ".own{fill:#2f6f9f}.line{fill:none;stroke:#2f6f9f;stroke-width:2}.dot{fill:#2f6f9f}"
    ".rail{fill:none;stroke:#c4ccd4}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.bar{fill:#6b7680}.own{fill:#69b0e0}"
    ".line{stroke:#69b0e0}.dot{fill:#69b0e0}.rail{stroke:#4a525a}}</style>"
)


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure of every side, from zero."""

    title: str
    digits: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """One figure by size, both on scales of powers of ten."""

    title: str
    points: Sequence[tuple[float, float]]  # size, value; both above zero


def save(name: str, drawing: Markup) -> None:
    """Write it to ``docs/plots``."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.svg").write_text(drawing + "\n", encoding="utf-8")


def bars(panels: Sequence[Panel]) -> Markup:
    """Panels below each other; sides that begin with "ours" stand out."""
    parts: list[Markup] = []
    top = 0
    for panel in panels:
        parts.append(
            Markup('<text class="name" x="8" y="{}">{}</text>').format(top + 20, panel.title)
        )
        top += _TITLE
        longest = max(panel.values.values(), default=0) or 1
        for side, value in panel.values.items():
            parts.append(_bar(side, value, longest, panel.digits, top))
            top += _ROW
        top += 10
    return _svg(_LABELS + _LENGTH + _VALUES, top, "This project beside its peers", parts)


def _bar(side: str, value: float, longest: float, digits: int, top: int) -> Markup:
    length = max(1.0, _LENGTH * value / longest)
    return Markup(
        '<text x="{}" y="{}" text-anchor="end">{}</text>'
        '<rect class="{}" x="{}" y="{}" width="{:.1f}" height="14"/>'
        '<text x="{:.1f}" y="{}">{}</text>'
    ).format(
        *(_LABELS - 8, top + 12, side),
        *("own" if side.startswith("ours") else "bar", _LABELS, top, length),
        *(_LABELS + length + 6, top + 12, f"{value:,.{digits}f}"),
    )


def curves(shown: Sequence[Curve]) -> Markup:
    """Curves beside each other, two in a row."""
    parts = []
    for number, curve in enumerate(shown):
        left = (number % 2) * (_EDGE + _PLOT_WIDTH + _BETWEEN)
        top = (number // 2) * (_PLOT_HEIGHT + _BELOW + _TITLE)
        parts.append(
            Markup('<g transform="translate({} {})">{}</g>').format(left, top, _curve(curve))
        )
    rows = -(-len(shown) // 2)
    width, height = 2 * (_EDGE + _PLOT_WIDTH + _BETWEEN), rows * (_PLOT_HEIGHT + _BELOW + _TITLE)
    return _svg(width, height, "By the number of chunks", parts)


def _curve(curve: Curve) -> Markup:
    low, high = _decades([size for size, _ in curve.points])
    least, most = _decades([value for _, value in curve.points])

    def x(size: float) -> float:
        return _EDGE + _PLOT_WIDTH * (math.log10(size) - low) / (high - low)

    def y(value: float) -> float:
        return _TITLE + _PLOT_HEIGHT * (1 - (math.log10(value) - least) / (most - least))

    parts = [Markup('<text class="name" x="8" y="20">{}</text>').format(curve.title)]
    for power in range(low, high + 1):
        at, floor = x(10**power), y(10**least)
        parts.append(
            Markup(
                '<path class="rail" d="M{:.1f} {}V{:.1f}"/>'
                '<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>'
            ).format(at, _TITLE, floor, at, floor + 18, _power(power))
        )
    for power in range(least, most + 1):
        at = y(10**power)
        parts.append(
            Markup(
                '<path class="rail" d="M{} {:.1f}h{}"/>'
                '<text x="{}" y="{:.1f}" text-anchor="end">{}</text>'
            ).format(_EDGE, at, _PLOT_WIDTH, _EDGE - 6, at + 4, _power(power))
        )
    path = "M" + "L".join(f"{x(size):.1f} {y(value):.1f}" for size, value in curve.points)
    parts.append(Markup('<path class="line" d="{}"/>').format(path))
    parts += [
        Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(x(size), y(value))
        for size, value in curve.points
    ]
    return Markup("").join(parts)


def _power(exponent: int) -> str:
    return f"{10**exponent:,}" if exponent >= 0 else f"{10.0**exponent:g}"


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten that all values lie between."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _svg(width: float, height: float, title: str, parts: Sequence[Markup]) -> Markup:
    head = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" width="{}" role="img">'
        "<title>{}</title>"
    ).format(width, height, width, title)
    return head + _STYLE + Markup("").join(parts) + Markup("</svg>")
