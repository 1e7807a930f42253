"""The checkpoints of a run: when to write one, which to keep, and what to do when the disk is full.

A checkpoint that is due by the clock is written in a thread, from a copy: training waits for the copy only. Training
waits for all others, so that their steps do not depend on the clock.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from civility.arrays import Logits
from civility.engine import checkpoint
from civility.engine.checkpoint import Snapshot, save_checkpoint
from civility.engine.devices import is_out_of_memory
from civility.engine.loop import Trainer
from civility.engine.validation import EarlyStopping
from civility.engine.watch import LossWatch
from civility.errors import UserError
from civility.run import RunDirectory
from civility.run.log import LineLog
from civility.storage.atomic_files import remove_folder
from civility.training.resume import best_step_of

_NUM_LATEST = 2
_SECONDS_UNTIL_ANOTHER_TRY = 60.0


@dataclass(frozen=True)
class _Pending:
    """A checkpoint that a thread is writing; training has waited for its copy."""

    folder: Path
    step: int
    waited: float
    written: "Future[None]"


@dataclass(eq=False)
class CheckpointManager:
    """Writes and removes the checkpoints of a run, on its first process.

    Parameters
    ----------
    run : where they are
    trainer, stopping, loss_watch : whose state every checkpoint holds
    facts : what identifies the run
    minutes, steps : between two checkpoints inside an epoch; 0 for never
    metrics : the log; flushed before each checkpoint, which records its size
    on_saved : called with the step of a complete checkpoint, and the seconds that training waited for it
    on_trouble : called when a checkpoint could not be written
    on_left : called when a superseded checkpoint could not be removed
    best_step : optimizer steps at the end of the best epoch so far; 0 before the first
    """

    run: RunDirectory
    trainer: Trainer
    stopping: EarlyStopping
    loss_watch: LossWatch
    facts: Mapping[str, Any]
    minutes: float
    steps: int
    metrics: LineLog
    on_saved: Callable[[int, float], None]
    on_trouble: Callable[[UserError], None]
    on_left: Callable[[UserError], None]
    best_step: int = 0
    _unwritten_best: Snapshot | None = None
    _latest: float = field(default_factory=time.monotonic)
    _next_try: float = 0.0
    _missing: bool = False
    _writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, initializer=_lower_priority))
    _pending: _Pending | None = None

    def after_step(self) -> None:
        """Write a checkpoint inside an epoch, if one is due."""
        progress, now = self.trainer.progress, time.monotonic()
        if self._pending is not None and self._pending.written.done():
            self.settle()
        if progress.num_comments == len(self.trainer.data.tokens):
            return  # the one after the epoch follows soon, and is worth more
        if self._missing:
            if now >= self._next_try:
                self.save()
        elif self.steps and progress.step % self.steps == 0:
            self.save()
        elif self.minutes and now - self._latest >= 60 * self.minutes and self._pending is None:
            self._save_in_thread()

    def settle(self) -> None:
        """Wait for the checkpoint that a thread is writing, if there is one."""
        if self._pending is None:
            return
        pending, self._pending = self._pending, None
        try:
            pending.written.result()
        except UserError as error:
            self._trouble(error)
            return
        self._prune(pending.folder)
        self.on_saved(pending.step, pending.waited)

    def _save_in_thread(self) -> None:
        started = time.monotonic()
        try:
            self.metrics.flush()
            snapshot = self._copy(None)
        except UserError as error:
            self._trouble(error)
            return
        if snapshot is None:
            self.save()
            return
        written = self._writer.submit(save_checkpoint, self.place, snapshot)
        self._latest = time.monotonic()
        self._pending = _Pending(self.place, self.trainer.progress.step, self._latest - started, written)

    def _trouble(self, error: UserError) -> None:
        self._missing, self._next_try = True, time.monotonic() + _SECONDS_UNTIL_ANOTHER_TRY
        self.on_trouble(error)

    def save_epoch(self, is_best: bool, logits: Logits) -> bool:
        """Write the checkpoint after the validation of an epoch: see `save`."""
        if is_best:
            self.best_step, self._unwritten_best = self.trainer.progress.step, None
        saved = self.save(logits)
        if is_best and not saved:
            # The classifier is made of these weights: keep them in memory.
            self._unwritten_best = self._copy(logits)
            if self._unwritten_best is None:
                found = "the best epoch so far fits neither on the disk nor into memory"
                remedy = "free some disk space, then continue from the previous checkpoint with --resume"
                raise UserError("training.best-epoch-lost", found, where=self.place, remedy=remedy)
        return saved

    def save(self, logits: Logits | None = None) -> bool:
        """Write a checkpoint of the trainer's current state, and remove superseded ones.

        Return False if the disk refuses it: older ones stay, and the next try follows after a minute.
        """
        started = time.monotonic()
        self.settle()
        try:
            self.metrics.flush()
            self.save_best()
            # It exists if a resumed run is stopped before its first step.
            if not self.place.exists():
                save_checkpoint(self.place, self._snapshot(logits))
        except UserError as error:
            self._trouble(error)
            return False
        self._prune(self.place)
        self._latest, self._missing = time.monotonic(), False
        self.on_saved(self.trainer.progress.step, self._latest - started)
        return True

    def remove_superseded(self) -> None:
        """Remove older checkpoints, left behind when the process was killed between saving and pruning."""
        if self.place.exists():
            self._prune(self.place)

    def save_best(self) -> None:
        """Write the checkpoint of the best epoch if the disk has refused it so far; UserError if it still does."""
        if self._unwritten_best is not None:
            save_checkpoint(self.run.checkpoint(self.best_step), self._unwritten_best)
            self._unwritten_best = None

    @property
    def place(self) -> Path:
        """The folder of a checkpoint of the trainer's current state."""
        progress = self.trainer.progress
        return self.run.checkpoint(progress.step, to_validate=progress.num_comments == len(self.trainer.data.tokens))

    def load_best(self, model: Any) -> Logits:
        """Load the weights of the best epoch into the model, and return their validation logits (N, L)."""
        if self._unwritten_best is not None:
            assert self._unwritten_best.logits is not None
            self._unwritten_best.put_best(model)
            return self._unwritten_best.logits
        folder = self.run.checkpoint(self.best_step)
        checkpoint.verify_checkpoint(folder, for_resume=False)
        checkpoint.load_best_weights(folder, model)
        return checkpoint.load_logits(folder)

    def _snapshot(self, logits: Logits | None) -> Snapshot:
        trainer = self.trainer
        facts = {
            **self.facts,
            "batch_size": trainer.shape.batch_size,
            "stopping": self.stopping.state(),
            "loss_watch": self.loss_watch.state(),
            "best_step": self.best_step,
            "metrics_size": self.metrics.size,
        }
        return checkpoint.take_snapshot(
            trainer.model,
            trainer.optimizer,
            trainer.precision.scaler,
            trainer.progress,
            average=trainer.average,
            facts=facts,
            logits=logits,
        )

    def _copy(self, logits: Logits | None) -> Snapshot | None:
        """Copy the trainer's state; None if there is no memory for a copy."""
        try:
            return self._snapshot(logits).copied()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None

    def _prune(self, newest: Path) -> None:
        """Remove all checkpoints except the last two, the best, and those that were the best at the time of these."""
        # The checkpoint before a validation is superseded by the one after it, which has the same weights.
        same = self.run.before_validation(newest)
        older = [folder for folder in self.run.checkpoint_folders() if folder != newest]
        others = [folder for folder in older if folder != same]
        latest = others[max(0, len(others) - (_NUM_LATEST - 1)) :]
        kept = {self.run.checkpoint(self.best_step), *latest}
        kept |= {self.run.checkpoint(step) for step in map(best_step_of, latest) if step}
        for folder in older:
            if folder not in kept:
                try:
                    remove_folder(folder)
                except UserError as error:
                    self.on_left(error)


def _lower_priority() -> None:
    """Give this thread the CPU only when training leaves it free."""
    if sys.platform == "linux":  # where a thread has a priority of its own
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
