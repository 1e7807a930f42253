"""Numbers as pages and charts write them, rounded as JavaScript rounds."""

from decimal import ROUND_HALF_UP, Decimal

from civility.documents.label_report import Estimate

DASH = "\u2013"
MINUS = "\u2212"


def fixed(value: float | None, digits: int = 3) -> str:
    """Return a number with ``digits`` decimals; halves round away from zero, as in JavaScript's ``toFixed``."""
    if value is None:
        return DASH
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
    return f"{rounded:,f}".replace("-", MINUS) if rounded else f"{abs(rounded):,f}"


def signed(value: float | None, digits: int = 3) -> str:
    """Return a difference, always with its sign."""
    written = fixed(value, digits)
    return written if value is None or written.startswith(MINUS) else f"+{written}"


def cut_point(value: float) -> str:
    """Return a threshold with at most four decimals."""
    return f"{Decimal(value).quantize(Decimal('0.0001'), rounding=ROUND_HALF_UP):f}".rstrip("0").rstrip(".") or "0"


def short_number(value: float) -> str:
    """Return a number with two decimals, or with two significant digits if it is below 0.01."""
    return f"{value:.2g}" if 0 < abs(value) < 0.01 else f"{value:.2f}".rstrip("0").rstrip(".") or "0"


def whole(value: int) -> str:
    """Return a count with commas between the thousands."""
    return f"{value:,}"


def percent(share: float, digits: int = 1) -> str:
    """Return a share as a percentage; a share above zero never reads as zero."""
    if 0 < share < 0.5 * 10 ** -(digits + 2):
        return f"<{10**-digits:.{digits}f} %"
    return f"{fixed(100 * share, digits)} %"


def span(estimate: Estimate, digits: int = 3) -> str:
    """Return the interval as ``0.880 to 0.941``; empty if there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{fixed(estimate.low, digits)} to {fixed(estimate.high, digits)}"
