"""Elements of SVG as strings, scales and axes. Colours are classes of plot.css; knows no report."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from civility.render.sentences.page_sentences import cut, said, visible

Point = tuple[float, float]
Scale = Callable[[float], float]


def at(value: float) -> str:
    """Return a coordinate, to a tenth."""
    return f"{round(value, 1) + 0.0:g}"


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """Return the scale that takes [low, high] to [start, end]; values outside are held at the ends."""
    width = high - low or 1.0
    return lambda value: start + (min(max(value, low), high) - low) / width * (end - start)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """Return the same for logarithms; what is below ``low``, zero too, is held there."""
    inner = linear(math.log10(low), math.log10(high), start, end)
    return lambda value: inner(math.log10(max(value, low)))


def line(start: Point, end: Point, style: str) -> str:
    """Return a straight line."""
    return f'<line class="{style}" x1="{at(start[0])}" y1="{at(start[1])}" x2="{at(end[0])}" y2="{at(end[1])}"/>'


def path(points: Iterable[Point], style: str, key: str = "") -> str:
    """Return a line through points, without those that a reader cannot tell from the one before."""
    kept: list[Point] = []
    every = list(points)
    for i, point in enumerate(every):
        if not kept or i == len(every) - 1 or math.dist(point, kept[-1]) >= 0.7:
            kept.append(point)
    if not kept:
        return ""
    steps = "L".join(f"{at(x)} {at(y)}" for x, y in kept)
    identity = f' id="{key}"' if key else ""
    return f'<path class="{style}"{identity} d="M{steps}"/>'


def rect(corner: Point, size: Point, style: str, title: str = "") -> str:
    """Return a rectangle, with words for whoever points at it."""
    shape = (
        f'<rect class="{style}" x="{at(corner[0])}" y="{at(corner[1])}" '
        f'width="{at(max(size[0], 0))}" height="{at(max(size[1], 0))}"'
    )
    return f"{shape}><title>{said(title)}</title></rect>" if title else f"{shape}/>"


def circle(centre: Point, radius: float, style: str) -> str:
    """Return a dot."""
    return f'<circle class="{style}" cx="{at(centre[0])}" cy="{at(centre[1])}" r="{at(radius)}"/>'


def diamond(centre: Point, radius: float, style: str) -> str:
    """Return the mark of the threshold in use."""
    x, y = centre
    return (
        f'<path class="{style}" d="M{at(x)} {at(y - radius)}L{at(x + radius)} {at(y)}'
        f'L{at(x)} {at(y + radius)}L{at(x - radius)} {at(y)}Z"/>'
    )


def text(words: str, place: Point, style: str = "", longest: int = 60) -> str:
    """Return the user's or our words; long ones are cut, and whole in a title."""
    flat = " ".join(visible(words).split())
    short = cut(flat, longest)
    whole = f"<title>{said(flat)}</title>" if short != flat else ""
    return f'<text class="{style}" x="{at(place[0])}" y="{at(place[1])}">{said(short)}{whole}</text>'


def group(parts: Iterable[str], shift: Point = (0, 0), style: str = "") -> str:
    """Return parts as one, moved."""
    moved = f' transform="translate({at(shift[0])} {at(shift[1])})"' if shift != (0, 0) else ""
    named = f' class="{style}"' if style else ""
    return f"<g{moved}{named}>{''.join(parts)}</g>"


@dataclass(frozen=True)
class Frame:
    """The inner rectangle of a chart, in pixels of its view box, and the scales that fill it."""

    left: float
    top: float
    right: float
    bottom: float
    x: Scale
    y: Scale

    def curve(self, points: Iterable[Point], style: str, key: str = "") -> str:
        """Return a line through points in the numbers of the data."""
        return path(((self.x(x), self.y(y)) for x, y in points), style, key)

    def rows(self, ticks: Sequence[tuple[float, str]]) -> str:
        """Return horizontal grid lines with their numbers at the left."""
        return "".join(
            line((self.left, self.y(value)), (self.right, self.y(value)), "grid")
            + text(words, (self.left - 5, self.y(value) + 3.5), "tick end")
            for value, words in ticks
        )

    def columns(self, ticks: Sequence[tuple[float, str]], grid: bool = True) -> str:
        """Return vertical grid lines with their numbers below."""
        return "".join(
            (line((self.x(value), self.top), (self.x(value), self.bottom), "grid") if grid else "")
            + text(words, (self.x(value), self.bottom + 13), "tick middle")
            for value, words in ticks
        )

    def upright(self, value: float, style: str) -> str:
        """Return a vertical line at a value."""
        return line((self.x(value), self.top), (self.x(value), self.bottom), style)


def picture(inside: str, size: Point, tells: str, style: str = "chart") -> str:
    """Return an SVG element of the page: named for a screen reader by a sentence that tells what it shows."""
    return (
        f'<svg class="{style}" viewBox="0 0 {at(size[0])} {at(size[1])}" role="img" aria-label="{said(tells)}">'
        f"{inside}</svg>"
    )
