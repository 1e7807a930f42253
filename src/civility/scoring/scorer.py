"""Scorer: what gives the logits of a classifier. A class a kind, each in a module of its own, known by this alone."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Protocol

from civility.arrays import Floats, Logits
from civility.scoring.sidecar import Kind

OnScored = Callable[[int], None]
"""Told after each batch with the number of texts in it."""


class Scorer(Protocol):
    """Texts to logits."""

    @property
    def kind(self) -> Kind:
        """Which of the kinds it is, as ``civility.json`` says it."""

    @property
    def labels(self) -> tuple[str, ...]:
        """(L,) in the order of the logits."""

    @property
    def max_length(self) -> int:
        """Tokens; longer comments are cut; 0 where none is."""

    def logits(self, texts: Sequence[str], tokens_per_batch: int, on_scored: OnScored | None) -> Logits:
        """Return the logits of texts, (N, L), in the order given; none of them depends on another text."""

    def take_over(self, scale: Floats, shift: Floats) -> bool:
        """Change so that each logit becomes ``scale * logit + shift``, both (L,); False, and no change, if not able."""

    def save(self, folder: Path) -> None:
        """Write what `logits` needs into an existing folder."""


def texts_of(texts: Any) -> list[str]:
    """Return the texts of any iterable of strings: a list, a generator, an array, a column of a table.

    Raises
    ------
    TypeError : it is a single string, None, a table, a dict or a set, or one of its elements is not a string
    """
    if isinstance(texts, str | bytes | bytearray):
        raise TypeError(f"texts is a single {type(texts).__name__}: pass a list of strings, as in score([text])")
    if isinstance(texts, Mapping | Set) or hasattr(texts, "columns"):
        raise TypeError(f"texts is a {type(texts).__name__}: pass its texts in order, as a list or a single column")
    if texts is None or not isinstance(texts, Iterable):
        raise TypeError(f"texts is {_named(texts)}: pass a list of strings, or any other iterable of strings")
    found = []
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"texts[{i}] is {_named(text)}: every text must be a string")
        found.append(str(text))  # a string of numpy is a string, of a type of its own
    return found


def _named(value: Any) -> str:
    """Return what stands where a text should: missing values as users know them, all else by its type."""
    if value is None:
        return "None"
    if isinstance(value, float) and math.isnan(value):
        return "NaN (a missing value)"
    return f"of type {type(value).__name__}"
