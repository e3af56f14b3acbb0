"""A bar chart as SVG text: groups of bars with their ranges, and nothing else.

Written by hand because a plotting library would be the largest dependency of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from pie_scenarios.ratios import Spread

_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#777777")
_BAR, _GAP, _HEIGHT, _LEFT, _TOP, _BOTTOM = 18, 26, 260, 70, 40, 60
_TICKS = 4


@dataclass(frozen=True, slots=True)
class BarChart:
    """What to draw.

    Attributes:
        title: Above it.
        unit: Of the vertical axis.
        groups: Labels of the groups, left to right.
        series: By name, one bar a group; None where nothing was measured.
    """

    title: str
    unit: str
    groups: list[str]
    series: dict[str, list[Spread | None]]

    def svg(self) -> str:
        """The whole file."""
        group_width = _BAR * len(self.series) + _GAP
        legend_width = 12 + 8 * sum(len(name) + 4 for name in self.series)
        width = max(_LEFT + group_width * len(self.groups), _LEFT + legend_width, 480)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
            f'height="{_TOP + _HEIGHT + _BOTTOM}" font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="{_LEFT}" y="20" font-size="14">{escape(self.title)}</text>',
            *self._axis(width),
            *self._legend(),
        ]
        for at, label in enumerate(self.groups):
            left = _LEFT + _GAP // 2 + at * group_width
            middle = left + _BAR * len(self.series) / 2
            parts.append(_text(middle, _TOP + _HEIGHT + 16, label, "middle"))
            for number, spreads in enumerate(self.series.values()):
                parts += self._bar(left + number * _BAR, number, spreads[at])
        return "\n".join([*parts, "</svg>", ""])

    def _highest(self) -> float:
        present = [s.high for spreads in self.series.values() for s in spreads if s is not None]
        return max(present, default=0.0) or 1.0

    def _y(self, value: float) -> float:
        return round(_TOP + _HEIGHT * (1 - value / self._highest()), 1)

    def _axis(self, width: int) -> list[str]:
        parts = []
        for tick in range(_TICKS + 1):
            value = self._highest() * tick / _TICKS
            y = self._y(value)
            parts.append(
                f'<line x1="{_LEFT}" y1="{y}" x2="{width}" y2="{y}" stroke="#dddddd"/>'
                + _text(_LEFT - 6, y + 4, f"{value:.3g}", "end")
            )
        return [*parts, _text(_LEFT - 6, _TOP - 12, self.unit, "end")]

    def _legend(self) -> list[str]:
        parts, x, y = [], _LEFT, _TOP + _HEIGHT + 36
        for number, name in enumerate(self.series):
            parts.append(
                f'<rect x="{x}" y="{y}" width="10" height="10" fill="{_colour(number)}"/>'
                + _text(x + 14, y + 10, name, "start")
            )
            x += 8 * (len(name) + 4)
        return parts

    def _bar(self, x: float, number: int, spread: Spread | None) -> list[str]:
        if spread is None:
            return []
        top, middle = self._y(spread.median), x + _BAR / 2 - 1
        return [
            f'<rect x="{x}" y="{top}" width="{_BAR - 2}" '
            f'height="{round(_TOP + _HEIGHT - top, 1)}" fill="{_colour(number)}"/>',
            f'<line x1="{middle}" y1="{self._y(spread.low)}" x2="{middle}" '
            f'y2="{self._y(spread.high)}" stroke="black"/>',
        ]


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
