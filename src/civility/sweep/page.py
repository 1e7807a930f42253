"""Stub."""

from civility.sweep.document import SweepResult


def to_html(result: SweepResult) -> str:
    """Stub."""
    return ""
