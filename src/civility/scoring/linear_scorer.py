"""The linear kind: logistic regression over TF-IDF of words and characters. Needs numpy and safetensors alone."""

from collections.abc import Sequence
from pathlib import Path

from civility.arrays import Floats, Logits
from civility.scoring.scorer import OnScored
from civility.scoring.sidecar import Kind
from civility.scoring.tfidf import LinearModel


class LinearScorer:
    """A linear model that scores; it reads whole comments."""

    kind: Kind = "linear"
    max_length = 0

    def __init__(self, model: LinearModel) -> None:
        self.model = model
        self.labels = model.labels

    @classmethod
    def load(cls, folder: str, max_length: int = 0) -> "LinearScorer":
        """Load a folder, which truncates no comment; UserError if it is damaged."""
        return cls(LinearModel.load(Path(folder)))

    def logits(self, texts: Sequence[str], tokens_per_batch: int, on_scored: OnScored | None) -> Logits:
        """Return the logits, (N, L); ``tokens_per_batch`` is of no meaning here."""
        return self.model.logits(texts, on_scored)

    def take_over(self, scale: Floats, shift: Floats) -> bool:
        """Take over nothing: no other program scores this folder, so the calibration may stay in ``civility.json``."""
        return False

    def save(self, folder: Path) -> None:
        """Write terms and weights."""
        self.model.save(folder)
