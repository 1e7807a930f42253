"""Elements of SVG as strings, and the scales, ticks and frame that all charts share; knows no document."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from civility.plain_text import as_html, cut, visible
from civility.render.numbers import MINUS

Point = tuple[float, float]


@dataclass(frozen=True)
class Drawing:
    """The inside of an SVG element, its size in pixels, and a sentence for readers who do not see it."""

    inside: str
    width: float
    height: float
    description: str


def at(value: float) -> str:
    """Return a coordinate, rounded to a tenth."""
    return f"{round(value, 1) + 0.0:g}"


def line(start: Point, end: Point, style: str) -> str:
    """Return a straight line."""
    return f'<line class="{style}" x1="{at(start[0])}" y1="{at(start[1])}" x2="{at(end[0])}" y2="{at(end[1])}"/>'


def path(points: Iterable[Point], style: str, key: str = "") -> str:
    """Return a line through points, leaving out points that are less than a pixel from the one before."""
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
    """Return a rectangle; ``title`` shows when a reader points at it."""
    shape = (
        f'<rect class="{style}" x="{at(corner[0])}" y="{at(corner[1])}" '
        f'width="{at(max(size[0], 0))}" height="{at(max(size[1], 0))}"'
    )
    return f"{shape}><title>{as_html(title)}</title></rect>" if title else f"{shape}/>"


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


def text(words: str, place: Point, style: str = "", longest: int = 60, turned: float = 0) -> str:
    """Return a line of text; a long one is shortened, and complete in its title.

    Parameters
    ----------
    words : of the user or ours
    place : of the base line, in pixels
    style : classes of chart.css
    longest : characters
    turned : degrees clockwise
    """
    flat = " ".join(visible(words).split())
    short = cut(flat, longest)
    whole = f"<title>{as_html(flat)}</title>" if short != flat else ""
    where = f'x="{at(place[0])}" y="{at(place[1])}"'
    if turned:
        where = f'transform="translate({at(place[0])} {at(place[1])}) rotate({turned:g})"'
    return f'<text class="{style}" {where}>{as_html(short)}{whole}</text>'


def group(parts: Iterable[str], shift: Point = (0, 0), style: str = "", title: str = "") -> str:
    """Return parts as one, moved by ``shift``; ``title`` shows when a reader points at them."""
    moved = f' transform="translate({at(shift[0])} {at(shift[1])})"' if shift != (0, 0) else ""
    named = f' class="{style}"' if style else ""
    titled = f"<title>{as_html(title)}</title>" if title else ""
    return f"<g{moved}{named}>{titled}{''.join(parts)}</g>"


Scale = Callable[[float], float]
Ticks = Sequence[tuple[float, str]]
"""Values of an axis, and the words beside them."""


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """Return the scale that takes [low, high] to [start, end]; values outside are held at the ends."""
    width = high - low or 1.0
    return lambda value: start + (min(max(value, low), high) - low) / width * (end - start)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """Return the same for logarithms; values below ``low``, zero among them, are held there."""
    inner = linear(math.log10(low), math.log10(high), start, end)
    return lambda value: inner(math.log10(max(value, low)))


def with_room(values: Iterable[float]) -> tuple[float, float]:
    """Return the ends of an axis that holds the values with a little room on both sides; 0 and 1 without values."""
    kept = list(values)
    if not kept:
        return 0.0, 1.0
    low, high = min(kept), max(kept)
    room = 0.06 * (high - low) or 0.001
    return low - room, high + room


def ticks(low: float, high: float, most: int = 5, *, least_step: float = 0.0, signed: bool = False) -> Ticks:
    """Return the multiples of a round step (1, 2 or 5 times a power of ten) between two ends, with their words.

    Parameters
    ----------
    low, high : ends of the axis, ``low < high``
    most : as many ticks at most
    least_step : smallest step: 1 for counts
    signed : write the plus sign too
    """
    size = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (size * factor for factor in (1, 2, 5, 10, 20)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most and step >= least_step:
            break
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    form = f"{'+' if signed else ''},.{digits}f"
    return [(i * step, format(i * step, form).replace("-", MINUS) if i else "0") for i in range(first, last + 1)]


SHARES = ticks(0, 1, 3)


@dataclass(frozen=True)
class Frame:
    """The inner rectangle of a chart, in pixels of its view box, and the scales that fill it."""

    left: float
    top: float
    right: float
    bottom: float
    x: Scale
    y: Scale

    @property
    def middle(self) -> Point:
        """The centre."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def at(self, point: Point) -> Point:
        """Return the place of a point of the data."""
        return self.x(point[0]), self.y(point[1])

    def curve(self, points: Iterable[Point], style: str, key: str = "") -> str:
        """Return a line through points of the data."""
        return path(map(self.at, points), style, key)

    def rows(self, shown: Ticks) -> str:
        """Return horizontal grid lines with their numbers at the left."""
        return "".join(
            line((self.left, self.y(value)), (self.right, self.y(value)), "grid")
            + text(words, (self.left - 5, self.y(value) + 3.5), "tick end")
            for value, words in shown
        )

    def columns(self, shown: Ticks, grid: bool = True) -> str:
        """Return vertical grid lines with their numbers below."""
        return "".join(
            (self.upright(value, "grid") if grid else "")
            + text(words, (self.x(value), self.bottom + 13), "tick middle")
            for value, words in shown
        )

    def upright(self, value: float, style: str) -> str:
        """Return a vertical line at a value."""
        return line((self.x(value), self.top), (self.x(value), self.bottom), style)

    def name_below(self, name: str, away: float = 26.0) -> str:
        """Return the name of the horizontal axis, ``away`` pixels below the frame."""
        return text(name, (self.middle[0], self.bottom + away), "axis middle")


def frame(corner: Point, opposite: Point, x_ends: Point, y_ends: Point = (0.0, 1.0)) -> Frame:
    """Return a frame with linear scales.

    Parameters
    ----------
    corner, opposite : top left and bottom right, in pixels
    x_ends, y_ends : lowest and highest value of each axis
    """
    (left, top), (right, bottom) = corner, opposite
    return Frame(left, top, right, bottom, linear(*x_ends, left, right), linear(*y_ends, bottom, top))
