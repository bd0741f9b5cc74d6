"""A run as a gate: measures that must not be worse than so and so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import click

from corpus.errors import BelowGate
from rag.evaluation.measures import LOWER_IS_BETTER, MEASURES
from rag.evaluation.runs import Run

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Gates:
    """The worst value that is let through, by measure."""

    limits: Mapping[str, float]

    def check(self, run: Run) -> None:
        """Let a run through; only the first of its modes is looked at.

        :raises BelowGate: naming every measure that is worse, or was not measured.
        """
        metrics = run.results[0].metrics
        wrong = []
        for name, limit in self.limits.items():
            if name not in metrics:
                wrong.append(f"{name} was not measured")
            elif _is_worse(name, metrics[name].value, limit):
                wrong.append(f"{name} is {metrics[name].value:.4f}, asked for was {limit:g}")
        if wrong:
            raise BelowGate("; ".join(wrong))


def parse_gates(given: Iterable[str]) -> Gates:
    """Read what was given as ``METRIC=VALUE``.

    :raises click.BadParameter: naming what is wrong with it.
    """
    limits: dict[str, float] = {}
    for one in given:
        name, _, value = one.partition("=")
        if name not in MEASURES:
            raise click.BadParameter(
                f"{name!r} is no measure; there are {', '.join(MEASURES)}",
                param_hint="--fail-under",
            )
        try:
            limits[name] = float(value)
        except ValueError:
            limits[name] = float("nan")
        if not 0 <= limits[name] <= 1:
            raise click.BadParameter(
                f"{one!r} has no value from 0 to 1 after '='", param_hint="--fail-under"
            )
    return Gates(limits)


def _is_worse(name: str, value: float, limit: float) -> bool:
    worse_by = value - limit if name in LOWER_IS_BETTER else limit - value
    return worse_by > _ROUNDING
