"""Early stopping: which epoch is the best so far, and whether to stop."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from civility.engine.progress import Validation

MetricName = Literal["macro_roc_auc", "macro_average_precision", "loss"]


def score_of(validation: Validation, metric: MetricName) -> float:
    """Return the number by which epochs are compared; higher is better, so the loss is negated."""
    if metric == "loss":
        return -validation.loss
    return validation.macro_average_precision if metric == "macro_average_precision" else validation.macro_roc_auc


@dataclass
class EarlyStopping:
    """The best epoch by a score, and how long ago it was.

    Parameters
    ----------
    patience : epochs without a new best score after which training stops
    best_score, best_epoch : so far; epoch 0 is before the first
    last_epoch : the last that was seen
    min_gain : how far a new best score must be above the old one; smaller gains add up
    """

    patience: int
    best_score: float = -math.inf
    best_epoch: int = 0
    last_epoch: int = 0
    min_gain: float = 0.0

    def see(self, epoch: int, score: float) -> bool:
        """Take the score of an epoch, not NaN; return whether it is the best so far."""
        self.last_epoch = epoch
        if score > self.best_score + self.min_gain:
            self.best_score, self.best_epoch = score, epoch
            return True
        return False

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint, ready for JSON; the score is None before the first epoch."""
        return {**asdict(self), "best_score": self.best_score if self.best_epoch else None}

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.last_epoch - self.best_epoch >= self.patience
