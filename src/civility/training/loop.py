"""The training loop: a generator that yields facts. Saving, logging, drawing and stopping are its consumer's.

Legend of shapes: N comments, L labels, B micro-batch, T tokens.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from civility.errors import UserError
from civility.model.batches import pad
from civility.model.tokens import Tokens
from civility.training.devices import MixedPrecision
from civility.training.loss import Loss
from civility.training.optimizer import LinearSchedule
from civility.training.order import BatchShape, Rows, epoch_order, micro_batches, step_seed

_MOST_SKIPPED_IN_A_ROW = 40
"""The scale starts at 2 ** 16 and is halved at each skip: after so many it is far below 1, and hope is over."""


@dataclass(frozen=True)
class Progress:
    """A place in a run: between two optimiser steps.

    Parameters
    ----------
    epoch : 0-based epoch that is under way
    step_in_epoch : optimiser steps of it that are done
    step : optimiser steps done in all
    loss_sum, num_known : of the epoch so far: the summed loss and the known targets it was summed over
    """

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    num_known: int = 0

    def after_step(self, loss: float, num_known: int) -> "Progress":
        """Return the place after one more optimiser step, whose mean loss was ``loss``."""
        added = loss * num_known if num_known else 0.0
        return Progress(
            self.epoch,
            self.step_in_epoch + 1,
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
    seconds : wall time
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
    seconds: float


@dataclass(frozen=True)
class Validation:
    """What the model is worth on the validation comments after an epoch.

    Parameters
    ----------
    loss : the training loss, over the known validation targets
    roc_auc : by label, in [0, 1]; NaN where it is undefined
    macro_roc_auc : mean over the labels where it is defined
    """

    loss: float
    roc_auc: dict[str, float]
    macro_roc_auc: float


@dataclass(frozen=True)
class EpochDone:
    """The end of an epoch. ``training_loss`` is the mean over its steps, weighted by known targets."""

    epoch: int
    step: int
    training_loss: float
    validation: Validation
    seconds: float


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Tokens of N comments and their targets, (N, L) float32 with NaN for unknown, on every process."""

    tokens: Tokens
    targets: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Plan:
    """What the loop is asked to do. ``epochs`` are all planned ones: the schedule ends with the last."""

    epochs: int
    shape: BatchShape
    schedule: LinearSchedule
    max_gradient_norm: float
    seed: int
    group_by_length: bool


@dataclass(eq=False)
class Trainer:
    """The state of a run in memory, and the step that changes it.

    Parameters
    ----------
    accelerator : devices and processes; not its precision, shuffling, scheduler or resume
    model : as `accelerator.prepare` returned it
    optimizer : torch's own, over the parameters of the model
    precision : of the forward pass
    data : the training comments
    loss : on the accelerator's device
    plan : what to do
    """

    accelerator: Any
    model: Any
    optimizer: torch.optim.Optimizer
    precision: MixedPrecision
    data: TrainingData
    loss: Loss
    plan: Plan
    progress: Progress = field(default_factory=Progress)
    _num_skipped_in_a_row: int = 0

    def run(self, validate: Callable[[], Validation]) -> Iterator[StepDone | EpochDone]:
        """Train from ``progress`` to the end of the plan, yielding a fact a step and a fact an epoch.

        ``validate`` is called after each epoch, on every process, with the model in evaluation mode. Closing
        the generator stops the run; nothing is left half done then.

        Raises
        ------
        NotFinite : the loss or a gradient is not finite
        """
        plan, rank = self.plan, self.accelerator.process_index
        for epoch in range(self.progress.epoch, plan.epochs):
            started = time.perf_counter()
            order = epoch_order(self.data.tokens.lengths, plan.shape, plan.seed, epoch, plan.group_by_length)
            self.model.train()
            for index in range(self.progress.step_in_epoch, len(order)):
                # Dropout is a function of the place: resuming or evaluating in between cannot disturb it.
                torch.manual_seed(step_seed(plan.seed, epoch, self.progress.step, rank))
                fact = self._step(order[index], epoch)
                self.progress = self.progress.after_step(fact.loss, self._num_known(order[index]))
                yield fact
            training_loss = self.progress.mean_loss
            self.progress = Progress(epoch + 1, 0, self.progress.step)
            self.model.eval()
            validation = validate()
            seconds = time.perf_counter() - started
            yield EpochDone(epoch + 1, self.progress.step, training_loss, validation, seconds)

    def _num_known(self, rows: Rows) -> int:
        return int((~np.isnan(self.data.targets[rows])).sum())

    def _step(self, rows: Rows, epoch: int) -> StepDone:
        started = time.perf_counter()
        accelerator, plan = self.accelerator, self.plan
        learning_rate = plan.schedule.learning_rate(self.progress.step)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        # Every process knows the rows of the whole step, so the global count costs no communication.
        num_known = self._num_known(rows)
        loss_sum, num_tokens, num_padded = self._accumulate(rows, num_known)
        total = accelerator.reduce(loss_sum, reduction="sum").item()
        loss = total / num_known if num_known else float("nan")
        if num_known and not np.isfinite(loss):
            raise self._not_finite("the loss", loss, self._rows_of_broken_logits(rows), rows)
        norm, skipped = self._update(rows)
        return StepDone(
            step=self.progress.step + 1,
            epoch=epoch + 1,
            loss=loss,
            learning_rate=learning_rate,
            gradient_norm=norm,
            skipped=skipped,
            num_comments=len(rows),
            num_tokens=num_tokens,
            num_padded=num_padded,
            seconds=time.perf_counter() - started,
        )

    def _update(self, rows: Rows) -> tuple[float, bool]:
        """Clip and take the optimiser step; return the gradient norm and whether the step was skipped."""
        scaler = self.precision.scaler
        if scaler is not None:
            scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.max_gradient_norm).item()
        if scaler is None:
            if not np.isfinite(norm):
                raise self._not_finite("the gradient norm", norm, rows, rows)
            self.optimizer.step()
        else:
            scaler.step(self.optimizer)  # leaves the weights alone if a gradient overflowed
            scaler.update()
        self.optimizer.zero_grad()
        # Not asked of the scaler or the optimiser: a fused one skips inside its kernel, and tells nobody.
        skipped = not np.isfinite(norm)
        self._num_skipped_in_a_row = self._num_skipped_in_a_row + 1 if skipped else 0
        if self._num_skipped_in_a_row > _MOST_SKIPPED_IN_A_ROW:
            raise self._not_finite("the gradient norm at the lowest scale", norm, rows, rows)
        return norm, skipped

    def _accumulate(self, rows: Rows, num_known: int) -> tuple[torch.Tensor, int, int]:
        """Add the gradients of this process's micro-batches; return loss sum, tokens and padded tokens."""
        accelerator = self.accelerator
        parts = micro_batches(rows, self.plan.shape, accelerator.process_index)
        loss_sum = torch.zeros((), device=accelerator.device)
        num_tokens = num_padded = 0
        for i, part in enumerate(parts):
            last = i == len(parts) - 1
            with contextlib.nullcontext() if last else accelerator.no_sync(self.model):
                part_loss, ids = self._forward(part if len(part) else rows[:1], counts=bool(len(part)))
                # Processes *average* their gradients, so the sum over processes needs their number back.
                mean = part_loss * (accelerator.num_processes / max(1, num_known))
                scaler = self.precision.scaler
                (mean if scaler is None else scaler.scale(mean)).backward()
            loss_sum += part_loss.detach()
            num_padded += ids.numel() if len(part) else 0
            num_tokens += int(self.data.tokens.lengths[part].sum())
        return loss_sum, num_tokens, num_padded

    def _forward(self, rows: Rows, counts: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the summed loss of the rows; a process without rows of its own adds an exact zero."""
        device = self.accelerator.device
        ids, mask = (tensor.to(device, non_blocking=True) for tensor in pad(self.data.tokens, rows))
        targets = torch.from_numpy(self.data.targets[rows]).to(device, non_blocking=True)
        if not counts:
            targets = torch.full_like(targets, torch.nan)
        with self.precision.autocast():
            logits = self.model(input_ids=ids, attention_mask=mask).logits
        return self.loss.sum(logits, targets), ids

    def _rows_of_broken_logits(self, rows: Rows) -> Rows:
        """Return which rows of a step have logits that are not finite, over all processes; all rows if none has.

        Scored once more without dropout, which is only worth the while since the run is over. Every process comes
        here at the same step, since the loss that sent it is a sum over all of them.
        """
        module, device = self.accelerator.unwrap_model(self.model), self.accelerator.device
        broken = torch.zeros(len(self.data.targets), device=device)
        with torch.inference_mode(), self.precision.autocast():
            for part in micro_batches(rows, self.plan.shape, self.accelerator.process_index):
                if len(part):
                    ids, mask = (tensor.to(device) for tensor in pad(self.data.tokens, part))
                    logits = module(input_ids=ids, attention_mask=mask).logits
                    broken[torch.from_numpy(part).to(device)] = (~logits.isfinite()).any(dim=1).float()
        found = np.flatnonzero(self.accelerator.reduce(broken, reduction="sum").cpu().numpy())
        return found if len(found) else rows

    def _not_finite(self, what: str, value: float, broken: Rows, rows: Rows) -> "NotFinite":
        remedy = "lower training.learning_rate"
        if self.precision.name == "fp16":
            remedy += ", or set training.precision to bf16 or fp32: mDeBERTa is known to overflow in fp16"
        step = self.progress.step + 1
        return NotFinite(f"step {step}: {what} is {value}: training stopped", remedy, step, broken, rows)


class NotFinite(UserError):
    """A step whose loss or gradient is not finite; the weights are those before it.

    Parameters
    ----------
    message, remedy : as of every `UserError`
    step : 1-based
    broken : rows of the training data whose scores are not finite, where that could be told; else all of the step
    rows : all rows of the step
    """

    def __init__(self, message: str, remedy: str, step: int, broken: Rows, rows: Rows) -> None:
        super().__init__(message, remedy)
        self.step, self.rows = step, tuple(int(row) for row in broken)
        self.narrowed = len(broken) < len(rows)
