"""Bar charts as SVG: a title, groups of bars, each bar with its name and its figure. No axes to decode."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LABEL, VALUE, BAR, GAP, TOP = 760, 250, 110, 20, 6, 58
COLOURS = {"ours": "#1f77b4", "bare": "#9aa5b1", "process": "#2ca02c"}
OTHER = "#e07b39"


@dataclass(frozen=True, slots=True)
class Bar:
    """kind chooses the colour: ours, bare, process, or anything else."""

    name: str
    value: float
    kind: str


def chart(
    title: str, unit: str, bars: Sequence[Bar], *, note: str = "", limit: float | None = None, log: bool = False
) -> str:
    """limit: a budget, drawn as a line; log: a scale on which ten times as much is one step."""
    largest = max([bar.value for bar in bars] + [limit or 0.0, 1e-9])
    smallest = min([bar.value for bar in bars if bar.value > 0] + [limit or largest])

    def length(value: float) -> float:
        room = WIDTH - LABEL - VALUE
        if not log:
            return room * max(value, 0.0) / largest
        low, high = math.log10(smallest) - 0.3, math.log10(largest)
        return room * (math.log10(max(value, smallest / 2)) - low) / (high - low)

    height = TOP + len(bars) * (BAR + GAP) + 16
    parts = [_head(title, note, height)]
    parts += [_bar(bar, TOP + n * (BAR + GAP), length(bar.value), unit) for n, bar in enumerate(bars)]
    if limit is not None:
        parts.append(_line(LABEL + length(limit), height, f"{limit:g} {unit}"))
    return "\n".join([*parts, "</svg>\n"])


def _head(title: str, note: str, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="13">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n'
        f'<text x="12" y="24" font-size="16" font-weight="bold">{escape(title)}</text>\n'
        f'<text x="12" y="43" fill="#555">{escape(note)}</text>'
    )


def _bar(bar: Bar, top: int, length: float, unit: str) -> str:
    colour, middle = COLOURS.get(bar.kind, OTHER), top + BAR - 5
    return (
        f'<text x="{LABEL - 8}" y="{middle}" text-anchor="end">{escape(bar.name)}</text>'
        f'<rect x="{LABEL}" y="{top}" width="{max(length, 1):.1f}" height="{BAR}" fill="{colour}"/>'
        f'<text x="{LABEL + length + 6:.1f}" y="{middle}">{figure(bar.value)} {escape(unit)}</text>'
    )


def _line(x: float, height: int, text: str) -> str:
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{height - 14}" stroke="#c00" stroke-dasharray="4 3"/>'
        f'<text x="{x:.1f}" y="{height - 3}" fill="#c00" text-anchor="middle" font-size="11">{escape(text)}</text>'
    )


def figure(value: float) -> str:
    """Three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
