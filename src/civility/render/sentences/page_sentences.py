"""Words and numbers as the page writes them: escaped, isolated, rounded as JavaScript rounds. Knows no chart.

Names and texts are the user's: they come into a page through `said`, `name` or `island`, and in no other way.
"""

import html
import json
import re
from decimal import ROUND_HALF_UP, Decimal

from civility.documents.report import Estimate, Report
from civility.plain_text import CONTROL

DASH = "\u2013"
MINUS = "\u2212"
# With what XML cannot hold. Line breaks and tabs are left: a comment may have paragraphs.
_INVISIBLE = re.compile(f"[{CONTROL}\u2028\u2029\ufffe\uffff]")
_LONGEST_NAME = 400


def visible(text: str) -> str:
    """Return a text in which each control character is written out, as ``⟨U+202E⟩``."""
    return _INVISIBLE.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def said(text: str) -> str:
    """Return the user's words for an element or an attribute of HTML or SVG."""
    return html.escape(visible(text), quote=True)


def name(text: str) -> str:
    """Return a name: kept apart from the writing direction around it, cut by the style, whole in its title."""
    flat = " ".join(visible(text).split()) or "(no name)"
    return f'<bdi class="name" title="{said(flat)}">{said(cut(flat, _LONGEST_NAME))}</bdi>'


def cut(text: str, longest: int) -> str:
    """Return at most so many characters, the last an ellipsis where some are gone."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def island(value: object) -> str:
    """Return JSON for a ``<script type="application/json">``: nothing in it can end the element."""
    written = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return written


def fixed(value: float | None, digits: int = 3) -> str:
    """Return a number with so many digits; halves go away from zero, as in JavaScript's ``toFixed``."""
    if value is None:
        return DASH
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
    return f"{rounded:,f}".replace("-", MINUS) if rounded else f"{abs(rounded):,f}"


def signed(value: float | None, digits: int = 3) -> str:
    """Return a difference, its sign always written."""
    written = fixed(value, digits)
    return written if value is None or written.startswith(MINUS) else f"+{written}"


def cut_point(value: float) -> str:
    """Return a threshold with up to four digits."""
    return f"{Decimal(value).quantize(Decimal('0.0001'), rounding=ROUND_HALF_UP):f}".rstrip("0").rstrip(".") or "0"


def short_number(value: float) -> str:
    """Return a number for the end of an axis: two digits that count."""
    return f"{value:.2g}" if 0 < abs(value) < 0.01 else f"{value:.2f}".rstrip("0").rstrip(".") or "0"


def whole(value: int) -> str:
    """Return a count with commas between thousands."""
    return f"{value:,}"


def percent(share: float, digits: int = 1) -> str:
    """Return a share as a percentage; a share that is not nothing never looks like nothing."""
    if 0 < share < 0.5 * 10 ** -(digits + 2):
        return f"<{10**-digits:.{digits}f} %"
    return f"{fixed(100 * share, digits)} %"


def span(estimate: Estimate, digits: int = 3) -> str:
    """Return an interval in words, or nothing where there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{fixed(estimate.low, digits)} to {fixed(estimate.high, digits)}"


def reason(report: Report, *path: str) -> str:
    """Return why a number is undefined: the reason of its path, or of the nearest part that holds it."""
    for length in range(len(path), 0, -1):
        found = report.undefined.get(".".join(path[:length]))
        if found:
            return found
    return "undefined on these comments"


def missing(why: str) -> str:
    """Return the dash that stands for a number, with its reason for eyes and for ears."""
    return f'<span class="missing" title="{said(why)}">{DASH}<span class="hush"> {said(why)}</span></span>'
