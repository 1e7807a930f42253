"""The training loop: a generator of events. Saving, logging, showing and stopping are up to whoever consumes them.

Axes: N comments, L labels, B comments of a micro-batch.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from civility.arrays import Rows, Targets
from civility.documents.checkpoint_state import Progress
from civility.engine.devices import MixedPrecision, give_back_memory, is_out_of_memory, sum_gradients
from civility.engine.loss import Loss
from civility.engine.optimizer import clip_gradients
from civility.engine.parameter_groups import group_of
from civility.engine.progress import EpochDone, NotFinite, StepDone, Validation
from civility.engine.regularizers import Adversary, Regularizers, gradients_set_aside, loss_of_passes
from civility.engine.step_plan import BatchShape, Schedule, class_aware_weights, epoch_order, micro_batches, step_seed
from civility.engine.weight_averaging import Average, in_place
from civility.errors import UserError
from civility.models.batches import gather
from civility.models.forward_paths import Forward
from civility.models.vocabulary import EmbeddingInUse
from civility.scoring.tokens import Tokens

_MOST_SKIPPED_IN_A_ROW = 40
"""The scale starts at 2 ** 16 and each skip halves it: after 40 it is far below 1, and will not help any more."""


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Tokens of N comments and their targets, (N, L), on every process."""

    tokens: Tokens
    targets: Targets


@dataclass(frozen=True)
class TrainingPlan:
    """What the loop has to do."""

    epochs: int  # all planned ones; the schedule ends with the last
    schedule: Schedule
    max_gradient_norm: float  # L2 norm at which gradients are clipped
    seed: int  # of the order of comments and of dropout
    group_by_length: bool  # see `epoch_order`
    sampling_power: float | None = None  # draws comments by `class_aware_weights`; None: each once an epoch


@dataclass(frozen=True)
class _Sums:
    """The sums over the micro-batches of a step on this process; the loss, once reduced, over all processes."""

    loss: Any
    num_tokens: int
    num_padded: int


@dataclass(eq=False)
class Trainer:
    """The state of a run in memory, and the step that changes it."""

    accelerator: Any  # devices and processes; its precision, shuffling, scheduler and resume are not used
    model: Any  # on the accelerator's device, unwrapped; the same weights on every process
    forward: Forward
    optimizer: torch.optim.Optimizer  # over the parameters of the model
    precision: MixedPrecision  # of the forward pass
    data: TrainingData
    loss: Loss  # on the accelerator's device
    plan: TrainingPlan
    shape: BatchShape  # of a step; its micro-batch is halved when memory runs out
    progress: Progress = field(default_factory=Progress)  # where to start
    vocabulary: EmbeddingInUse | None = None  # the model's token embedding, if only the rows in use are trained
    regularizers: Regularizers = field(default_factory=Regularizers)
    average: Average | None = None  # of the weights, validated instead of them
    _num_skipped_in_a_row: int = 0

    def run(
        self, validate: Callable[[], Validation], wants_stop: Callable[[], bool] = lambda: False
    ) -> Iterator[StepDone | EpochDone]:
        """Train from ``progress`` to the end of the plan; yield an event after each step and each epoch.

        Close the generator to stop the run between two steps. ``validate`` is called after each epoch, on every
        process, with the model in evaluation mode; ``wants_stop`` at each step: if it is true on any process,
        `StepDone.stop` is true on all, so that all can stop at the same step.

        Raises
        ------
        NotFinite : the loss or a gradient is not finite
        UserError : no memory for a single comment
        """
        plan, lengths, power = self.plan, self.data.tokens.lengths, self.plan.sampling_power
        drawn_by = None if power is None else class_aware_weights(self.data.targets, power)
        for epoch in range(self.progress.epoch, plan.epochs):
            started = time.perf_counter()
            order = epoch_order(lengths, self.shape.global_size, plan.seed, epoch, plan.group_by_length, drawn_by)
            self.model.train()
            for rows in order[self.shape.num_steps(self.progress.num_comments) :]:
                done = self._step(rows, epoch, wants_stop)
                self.progress = self.progress.after_step(len(rows), done.loss, self._num_known(rows))
                yield done
            training_loss = self.progress.mean_loss
            self.model.eval()
            with in_place(self.average, self.model):
                validation = validate()
            self.progress = Progress(epoch + 1, 0, self.progress.step)
            seconds = time.perf_counter() - started
            yield EpochDone(epoch + 1, self.progress.step, training_loss, validation, seconds)

    def _num_known(self, rows: Rows) -> int:
        return int((~np.isnan(self.data.targets[rows])).sum())

    def _step(self, rows: Rows, epoch: int, wants_stop: Callable[[], bool]) -> StepDone:
        started = time.perf_counter()
        learning_rate = self.plan.schedule.learning_rate(self.progress.step)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group.get("lr_scale", 1.0)
        if self.regularizers.unfreezing is not None:
            self.regularizers.unfreezing.apply(self.progress.step, self.plan.schedule.num_steps)
        # Every process knows the rows of the whole step, so this count needs no communication.
        num_known = self._num_known(rows)
        sums, stop = self._accumulate_in_memory(rows, epoch, num_known, wants_stop)
        loss = sums.loss / num_known if num_known else float("nan")
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
            num_tokens=sums.num_tokens,
            num_padded=sums.num_padded,
            batch_size=self.shape.batch_size,
            seconds=time.perf_counter() - started,
            stop=stop,
        )

    def _accumulate_in_memory(
        self, rows: Rows, epoch: int, num_known: int, wants_stop: Callable[[], bool]
    ) -> tuple[_Sums, bool]:
        """Sum the step's gradients over micro-batches and processes, halving the micro-batches until they fit.

        Return the sums of the first pass, with the loss over all processes, and whether one was asked to stop. With an
        adversary, the gradients are the mean of those at the embedding and at the moved embedding.
        """
        adversary, place = self.regularizers.adversary, self.progress.step
        while True:
            done = self._pass(rows, epoch, num_known, wants_stop)
            if done is not None and adversary is not None and adversary.acts(place, self.plan.schedule.num_steps):
                done = self._adversarial_pass(adversary, done, rows, epoch, num_known)
            if done is not None:
                return done
            # Memory may have run out on one process only: all of them begin the step again.
            self.optimizer.zero_grad()
            give_back_memory()
            if self.shape.batch_size == 1:
                raise UserError(
                    "engine.out-of-memory",
                    f"step {place + 1}: the memory is too small to train on a single comment",
                    remedy="lower data.max_length, choose a smaller model, or a device with more memory",
                )
            self.shape = replace(self.shape, batch_size=self.shape.batch_size // 2)

    def _pass(
        self, rows: Rows, epoch: int, num_known: int, wants_stop: Callable[[], bool], *, fits: bool = True
    ) -> tuple[_Sums, bool] | None:
        """Sum the step's gradients over micro-batches and processes; return None if memory ran out on any process.

        ``fits`` is False if it ran out on this process before the pass.
        """
        accelerator = self.accelerator
        # Dropout is a function of the place in the run, so resuming or validating does not change it.
        torch.manual_seed(step_seed(self.plan.seed, epoch, self.progress.step, accelerator.process_index))
        sums = self._accumulate(rows, num_known) if fits else None
        flags = torch.tensor([sums is None, wants_stop()], dtype=torch.float32, device=accelerator.device)
        loss_sum = flags.new_zeros(1) if sums is None else sums.loss.reshape(1)
        total, num_failed, num_stop = accelerator.reduce(torch.cat([loss_sum, flags]), reduction="sum").tolist()
        if sums is None or num_failed:
            return None
        sum_gradients(self.model.parameters())
        return replace(sums, loss=total), bool(num_stop)

    def _adversarial_pass(
        self, adversary: Adversary, done: tuple[_Sums, bool], rows: Rows, epoch: int, num_known: int
    ) -> tuple[_Sums, bool] | None:
        """Compute the step's gradients again at the moved embedding, and leave the mean of both; return ``done``.

        Return None if memory ran out.
        """
        if not adversary.has_direction():
            return done
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        with adversary.moved() as fits, gradients_set_aside(trained):
            again = self._pass(rows, epoch, num_known, lambda: False, fits=fits)
        return done if again is not None else None

    def _update(self, rows: Rows) -> tuple[float, bool]:
        """Clip the gradients and take the optimizer step; return the gradient norm and whether the step was skipped."""
        scaler = self.precision.scaler
        if scaler is not None:
            scaler.unscale_(self.optimizer)
        norm = clip_gradients(self.model.parameters(), self.plan.max_gradient_norm)
        if scaler is None:
            if not np.isfinite(norm):
                raise self._not_finite("the gradient norm", norm, rows, rows)
            self.optimizer.step()
        else:
            scaler.step(self.optimizer)  # skips the step if a gradient overflowed
            scaler.update()
        self.optimizer.zero_grad()
        # Neither the scaler nor the optimizer knows: a fused optimizer skips inside its kernel.
        skipped = not np.isfinite(norm)
        if self.vocabulary is not None and self.vocabulary.weight.requires_grad and not skipped:
            group = group_of(self.optimizer, self.vocabulary.weight)
            self.vocabulary.decay(1 - group["lr"] * group["weight_decay"])
        if self.average is not None and not skipped:
            self.average.update(self.model, self.progress.step, self.plan.schedule.num_steps)
        self._num_skipped_in_a_row = self._num_skipped_in_a_row + 1 if skipped else 0
        if self._num_skipped_in_a_row > _MOST_SKIPPED_IN_A_ROW:
            raise self._not_finite("the gradient norm at the lowest scale", norm, rows, rows)
        return norm, skipped

    def _accumulate(self, rows: Rows, num_known: int) -> _Sums | None:
        """Sum the gradients of this process's micro-batches; return None if memory ran out."""
        loss = torch.zeros((), device=self.accelerator.device)
        num_tokens = num_padded = 0
        offsets = self.data.tokens.offsets
        for part in micro_batches(rows, self.shape, self.accelerator.process_index):
            try:
                part_loss, num_computed = self._forward(part if len(part) else rows[:1], counts=bool(len(part)))
                mean = part_loss * (1 / max(1, num_known))
                scaler = self.precision.scaler
                (mean if scaler is None else scaler.scale(mean)).backward()  # type: ignore[no-untyped-call]
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                return None
            loss += part_loss.detach()
            num_padded += num_computed if len(part) else 0
            num_tokens += int((offsets[part + 1] - offsets[part]).sum())
        return _Sums(loss, num_tokens, num_padded)

    def try_out(self, rows: Rows) -> float:
        """Run a micro-batch forwards and backwards as a step does, without an update; return its summed loss."""
        loss, _ = self._forward(rows, counts=True)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def _forward(self, rows: Rows, counts: bool) -> tuple[torch.Tensor, int]:
        """Return the summed loss of the rows, and the number of tokens that were computed, padding included.

        Without ``counts``, all targets are unknown: a process without rows of its own adds exactly zero.
        """
        batch = gather(self.data.tokens, rows).to(self.accelerator.device)
        targets = torch.from_numpy(self.data.targets[rows]).to(self.accelerator.device, non_blocking=True)
        if not counts:
            targets = torch.full_like(targets, torch.nan)
        r_drop = self.regularizers.r_drop
        with self.precision.autocast():
            passes = [self.forward(batch) for _ in range(2 if r_drop else 1)]
        return loss_of_passes(self.loss, passes, targets, r_drop), self.forward.num_computed(batch)

    def _rows_of_broken_logits(self, rows: Rows) -> Rows:
        """Return the rows of a step whose logits are not finite, over all processes; all rows if there are none.

        They are scored again without dropout, since the run is over. Every process calls this at the same step: the
        loss that is not finite is a sum over all of them.
        """
        device = self.accelerator.device
        self.model.eval()
        broken = torch.zeros(len(self.data.targets), device=device)
        with torch.inference_mode(), self.precision.autocast():
            for part in micro_batches(rows, self.shape, self.accelerator.process_index):
                if len(part):
                    logits = self.forward(gather(self.data.tokens, part).to(device))
                    broken[torch.from_numpy(part).to(device)] = (~logits.isfinite()).any(dim=1).float()
        found = np.flatnonzero(self.accelerator.reduce(broken, reduction="sum").cpu().numpy())
        return found if len(found) else rows

    def _not_finite(self, what: str, value: float, broken: Rows, rows: Rows) -> NotFinite:
        remedy = "lower training.learning_rate"
        if self.precision.name == "fp16":
            remedy += ", or set training.precision to bf16 or fp32: mDeBERTa is known to overflow in fp16"
        step = self.progress.step + 1
        return NotFinite(f"step {step}: {what} is {value}: training stopped", remedy, step, broken, rows)
