"""Scorer: what gives the logits of a classifier. A class a kind, each in a module of its own, known by this alone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from civility.data.dataset import Float32Array
from civility.metrics.reliability import Floats
from civility.sidecar import Kind

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

    def logits(self, texts: Sequence[str], tokens_per_batch: int, on_scored: OnScored | None) -> Float32Array:
        """Return the logits of texts, (N, L), in the order given; none of them depends on another text."""

    def take_over(self, scale: Floats, shift: Floats) -> bool:
        """Change so that each logit becomes ``scale * logit + shift``, both (L,); False, and no change, if not able."""

    def save(self, folder: Path) -> None:
        """Write what `logits` needs into an existing folder."""


def check_texts(texts: Any) -> None:
    """Raise a TypeError unless these are texts."""
    if isinstance(texts, str | bytes):
        raise TypeError("texts is a single string: give a list, as in score([text])")
    if texts is None:
        raise TypeError("texts is None: give a list of strings")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"texts[{i}] is {type(text).__name__}: every text must be a string")
