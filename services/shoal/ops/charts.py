"""Charts as SVG without text: the page puts labels around them, in its own font size.

Times are Unix seconds; a value of None is a gap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

WIDTH, HEIGHT = 1000, 240
"""of the drawing, which is stretched to fit"""
MAX_POINTS = 240
"""more cannot be told apart"""

POINT_WIDTH = 12.0
"""of a point without neighbors"""

Values = Sequence[float | None]


@dataclass(frozen=True)
class Series:
    """One line, or one band; `tone` names its color in the page's style sheet."""

    name: str
    tone: str
    values: Values


def sum_steps(values: Values, step: int) -> list[float | None]:
    """Return the sum of each run of `step` values; None where none of them is known."""
    return [_sum(values[i : i + step]) for i in range(0, len(values), step)]


def average_steps(values: Values, step: int) -> list[float | None]:
    """Return the mean of each run of `step` values; None where none of them is known."""
    means: list[float | None] = []
    for i in range(0, len(values), step):
        known = [value for value in values[i : i + step] if value is not None]
        means.append(sum(known) / len(known) if known else None)
    return means


def step_for(count: int) -> int:
    """Return how many of `count` values make one point of a chart."""
    return max(1, -(-count // MAX_POINTS))


def line_chart(series: Sequence[Series], top: float) -> str:
    """Return a chart of lines from 0 to `top`."""
    paths: list[str] = []
    for item in series:
        width = WIDTH / max(1, len(item.values))
        points = [
            None if value is None else (width * (i + 0.5), _y(value / top if top else 0.0))
            for i, value in enumerate(item.values)
        ]
        paths += [f'<path class="line {item.tone}" d="{_path(run)}"/>' for run in _runs(points)]
    return _svg("".join(paths))


def band_chart(series: Sequence[Series]) -> str:
    """Return a chart of fractions of the total over time, the first series at the bottom."""
    length = len(series[0].values)
    totals = [sum(item.values[i] or 0 for item in series) for i in range(length)]
    below = [0.0] * length
    paths: list[str] = []
    width = WIDTH / max(1, length)
    for item in series:
        above = [
            low + (value or 0) / total if total else low
            for low, value, total in zip(below, item.values, totals, strict=True)
        ]
        # each value is a step; where nobody received anything there are no fractions
        steps = [
            (width * i, _y(high), _y(low)) if total else None
            for i, (high, low, total) in enumerate(zip(above, below, totals, strict=True))
        ]
        for run in _runs(steps):
            upper = [(x + dx, high) for x, high, _ in run for dx in (0.0, width)]
            lower = [(x + dx, low) for x, _, low in run for dx in (0.0, width)]
            paths.append(f'<path class="band {item.tone}" d="{_path([*upper, *lower[::-1]])}Z"/>')
        below = above
    return _svg("".join(paths))


def _svg(inner: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f"{inner}</svg>"
    )


def _y(fraction: float) -> float:
    return HEIGHT * (1 - min(1.0, max(0.0, fraction)))


Point = tuple[float, float]
T = TypeVar("T")


def _path(points: Sequence[Point]) -> str:
    if len(points) == 1:  # a line without length would not be drawn
        ((x, y),) = points
        points = [(x - POINT_WIDTH / 2, y), (x + POINT_WIDTH / 2, y)]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _runs(values: Sequence[T | None]) -> list[list[T]]:
    """Return the runs of values between gaps."""
    runs: list[list[T]] = [[]]
    for value in values:
        if value is not None:
            runs[-1].append(value)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _sum(values: Values) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
