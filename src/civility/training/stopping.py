"""Early stopping: which epoch is the best so far, and whether to go on. Pure bookkeeping."""

import math
from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """Follow a score that should rise, by epoch.

    Parameters
    ----------
    patience : epochs without a new best score before stopping
    best_score, best_epoch : so far; epoch 0 is before the first
    last_epoch : the newest that was seen
    """

    patience: int
    best_score: float = -math.inf
    best_epoch: int = 0
    last_epoch: int = 0

    def see(self, epoch: int, score: float) -> bool:
        """Take the score of an epoch, never NaN; return whether it is the best so far."""
        self.last_epoch = epoch
        if score > self.best_score:
            self.best_score, self.best_epoch = score, epoch
            return True
        return False

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.last_epoch - self.best_epoch >= self.patience
