"""Where a run is, and what it tells on its way: plain data, without a tensor.

Legend of shapes: N comments, L labels.
"""

from dataclasses import dataclass

from civility.arrays import Rows
from civility.errors import UserError


@dataclass(frozen=True)
class Progress:
    """A place in a run: between two optimiser steps.

    Parameters
    ----------
    epoch : 0-based epoch that is under way
    num_comments : comments of it that are done; when all are, its validation is what comes next
    step : optimiser steps done in all
    loss_sum, num_known : of the epoch so far: the summed loss and the known targets it was summed over
    """

    epoch: int = 0
    num_comments: int = 0
    step: int = 0
    loss_sum: float = 0.0
    num_known: int = 0

    def after_step(self, num_comments: int, loss: float, num_known: int) -> "Progress":
        """Return the place after one more optimiser step, whose mean loss was ``loss``."""
        added = loss * num_known if num_known else 0.0
        return Progress(
            self.epoch,
            self.num_comments + num_comments,
            self.step + 1,
            self.loss_sum + added,
            self.num_known + num_known,
        )

    @property
    def mean_loss(self) -> float:
        """Mean loss of the epoch so far over its known targets; NaN if none was known."""
        return self.loss_sum / self.num_known if self.num_known else float("nan")


@dataclass(frozen=True)
class StepDone:
    """What one optimiser step did, over all processes.

    Parameters
    ----------
    step, epoch : 1-based
    loss : mean over the known targets of the step; NaN if none was known
    learning_rate : the one that was used
    gradient_norm : L2 norm before clipping
    skipped : fp16 gradients overflowed: the scale was lowered and the weights left alone
    num_comments : in this step
    num_tokens, num_padded : tokens of this process's comments, and with the padding
    batch_size : comments of a micro-batch at most; halved in this step if the memory was too small for more
    seconds : wall time
    stop : one of the processes was asked to stop
    """

    step: int
    epoch: int
    loss: float
    learning_rate: float
    gradient_norm: float
    skipped: bool
    num_comments: int
    num_tokens: int
    num_padded: int
    batch_size: int
    seconds: float
    stop: bool


@dataclass(frozen=True)
class Validation:
    """What the model is worth on the validation comments after an epoch.

    Parameters
    ----------
    loss : the training loss without label smoothing, over the known validation targets
    roc_auc : by label, in [0, 1]; NaN where it is undefined
    macro_roc_auc : mean over the labels where it is defined
    macro_average_precision : likewise; NaN where it was not measured
    """

    loss: float
    roc_auc: dict[str, float]
    macro_roc_auc: float
    macro_average_precision: float = float("nan")


@dataclass(frozen=True)
class EpochDone:
    """The end of an epoch. ``training_loss`` is the mean over its steps, weighted by known targets."""

    epoch: int
    step: int
    training_loss: float
    validation: Validation
    seconds: float


class NotFinite(UserError):
    """A step whose loss or gradient is not finite; the weights are those before it.

    Parameters
    ----------
    found, remedy : as of every `UserError`
    step : 1-based
    broken : rows of the training data whose scores are not finite, where that could be told; else all of the step
    rows : all rows of the step
    """

    def __init__(self, found: str, remedy: str, step: int, broken: Rows, rows: Rows) -> None:
        super().__init__("engine.not-finite", found, remedy=remedy)
        self.step, self.rows = step, tuple(int(row) for row in broken)
        self.narrowed = len(broken) < len(rows)
