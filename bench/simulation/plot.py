"""Draws waits against load as an SVG, without a dependency for plots."""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 210, 44, 48
LEAST_S, MOST_S = 0.0001, 10.0
COLOURS = ("#0b6e4f", "#c2185b", "#e07b00", "#7b4bb7", "#1976d2", "#8d6e63", "#555555")

Curve = Sequence[tuple[float, float]]
"""Points (load, mean wait in seconds)."""


def svg(curves: Mapping[str, Curve], *, title: str) -> str:
    """The picture. The wait's axis is logarithmic; the first curve is drawn bold."""
    loads = [load for curve in curves.values() for load, _ in curve]
    low, high = min(loads), max(loads)

    def x(load: float) -> float:
        return LEFT + (load - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(wait_s: float) -> float:
        span = math.log(MOST_S / LEAST_S)
        share = math.log(min(MOST_S, max(LEAST_S, wait_s)) / LEAST_S) / span
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts = [_text(LEFT, 24, title, size=15, weight="bold")]
    for power in range(round(math.log10(LEAST_S)), round(math.log10(MOST_S)) + 1):
        at = y(10.0**power)
        parts.append(_line([(LEFT, at), (WIDTH - RIGHT, at)], "#d0d0d0", 1))
        parts.append(_text(LEFT - 8, at + 4, _duration(10.0**power), anchor="end"))
    for percent in range(math.ceil(low * 10) * 10, int(high * 100) + 1, 10):
        below = HEIGHT - BOTTOM + 18
        parts += [_text(x(percent / 100), below, f"{percent} %", anchor="middle")]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(_text(middle, HEIGHT - 10, "share of the slots in use", anchor="middle"))
    labels = _apart({name: y(curve[-1][1]) for name, curve in curves.items()})
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = [(x(load), y(wait_s)) for load, wait_s in curve]
        parts.append(_line(points, colour, 2.0 if number else 4.0))
        weight = "normal" if number else "bold"
        parts.append(_text(WIDTH - RIGHT + 10, labels[name] + 4, name, fill=colour, weight=weight))
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif">'
    back = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", back, *parts, "</svg>\n"])


def _apart(heights: Mapping[str, float], gap: float = 17.0) -> dict[str, float]:
    """The same heights, moved down where two labels would overlap."""
    placed: dict[str, float] = {}
    last = -math.inf
    for name, height in sorted(heights.items(), key=lambda item: item[1]):
        last = placed[name] = max(height, last + gap)
    return placed


def _duration(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"


def _line(points: Sequence[tuple[float, float]], colour: str, width: float) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width:g}"/>'


def _text(  # an SVG text element has that many sides
    x: float,
    y: float,
    text: str,
    *,
    size: int = 12,
    anchor: str = "start",
    weight: str = "normal",
    fill: str = "#222222",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
        f'font-weight="{weight}" fill="{fill}">{escape(text)}</text>'
    )
