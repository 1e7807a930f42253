"""What the loop yields: a step, an epoch, a validation, an error that ends the run. Plain data without tensors.

Axes: N comments, L labels.
"""

from dataclasses import dataclass

from civility.arrays import Rows
from civility.errors import UserError


@dataclass(frozen=True)
class StepDone:
    """What one optimizer step did, over all processes.

    Parameters
    ----------
    step, epoch : 1-based
    loss : mean over the known targets of the step; NaN if none was known
    learning_rate : the one that was used
    gradient_norm : L2 norm before clipping
    skipped : fp16 gradients overflowed, so the scale was lowered and the weights did not change
    num_comments : in this step
    num_tokens, num_padded : tokens of this process's comments, without and with padding
    batch_size : largest number of comments of a micro-batch; halved in this step if memory ran out
    seconds : wall time
    stop : whether one of the processes was asked to stop
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
    """The quality of the model on the validation comments after an epoch.

    Parameters
    ----------
    loss : the training loss without label smoothing, over the known validation targets
    roc_auc : by label, in [0, 1]; NaN where it is undefined
    macro_roc_auc : mean over the labels for which it is defined
    macro_average_precision : likewise; NaN if it was not measured
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
    """A step whose loss or gradient is not finite; the weights are those before the step.

    Parameters
    ----------
    found, remedy : as of every `UserError`
    step : 1-based
    broken : rows of the training data whose scores are not finite, if they could be found; otherwise all of the step
    rows : all rows of the step
    """

    def __init__(self, found: str, remedy: str, step: int, broken: Rows, rows: Rows) -> None:
        super().__init__("engine.not-finite", found, remedy=remedy)
        self.step, self.rows = step, tuple(int(row) for row in broken)
        self.narrowed = len(broken) < len(rows)
