"""Elements of SVG as strings. Colours are classes of chart.css; knows no document."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from civility.plain_text import as_html, cut, visible

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
