"""What the loop yields: a step, an epoch, a validation, an error that ends the run. Plain data without tensors.

Axes: N comments, L labels.
"""

from dataclasses import dataclass

from civility.arrays import Rows
from civility.errors import UserError


@dataclass(frozen=True)
class StepDone:
    """What one optimizer step did, over all processes."""

    step: int  # 1-based
    epoch: int  # 1-based
    loss: float  # mean over the known targets of the step; NaN if none was known
    learning_rate: float
    gradient_norm: float  # L2 norm before clipping
    skipped: bool  # fp16 gradients overflowed, so the scale was lowered and the weights did not change
    num_comments: int
    num_tokens: int  # of this process's comments, without padding
    num_padded: int  # likewise, with padding
    batch_size: int  # largest number of comments of a micro-batch; halved in this step if memory ran out
    seconds: float  # wall time
    stop: bool  # whether one of the processes was asked to stop


@dataclass(frozen=True)
class Validation:
    """The quality of the model on the validation comments after an epoch."""

    loss: float  # the training loss without label smoothing, over the known validation targets
    roc_auc: dict[str, float]  # by label, in [0, 1]; NaN where it is undefined
    macro_roc_auc: float  # mean over the labels for which it is defined
    macro_average_precision: float = float("nan")  # likewise; NaN if it was not measured


@dataclass(frozen=True)
class EpochDone:
    """The end of an epoch."""

    epoch: int
    step: int
    training_loss: float  # the mean over its steps, weighted by known targets
    validation: Validation
    seconds: float


class NotFinite(UserError):
    """A 1-based step whose loss or gradient is not finite; the weights are those before the step.

    Of all rows of the step, ``broken`` are those whose scores are not finite, if they could be found; otherwise all.
    """

    def __init__(self, found: str, remedy: str, step: int, broken: Rows, rows: Rows) -> None:
        super().__init__("engine.not-finite", found, remedy=remedy)
        self.step, self.rows = step, tuple(int(row) for row in broken)
        self.narrowed = len(broken) < len(rows)
