"""Keeps the checkpoints of a run: when to make one, which to keep, and what to do when the disk is full.

Where time alone asks for a checkpoint, it is written beside training, from a copy: a disk that takes ten seconds for
it costs the run no more than the copy. All others are waited for, so that where they are does not hang on the clock.
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
from civility.engine.checkpoint import (
    Snapshot,
    load_best_weights,
    load_logits,
    save_checkpoint,
    take_snapshot,
    verify_checkpoint,
)
from civility.engine.devices import is_out_of_memory
from civility.engine.early_stopping import EarlyStopping
from civility.engine.loop import Trainer
from civility.engine.watch import LossWatch
from civility.errors import UserError
from civility.run import RunDirectory
from civility.run.log import LineLog
from civility.storage.atomic_files import remove_folder
from civility.training.resume import best_step_of

_NUM_LATEST = 2
_SECONDS_UNTIL_ANOTHER_TRY = 60.0


@dataclass(frozen=True)
class _UnderWay:
    """A checkpoint that is being written beside training: where, of which step, what it cost until now, its end."""

    folder: Path
    step: int
    waited: float
    written: "Future[None]"


@dataclass(eq=False)
class Keeper:
    """Writes the checkpoints of a run, on its first process.

    Parameters
    ----------
    run : where they are
    trainer : whose state is kept
    stopping, loss_watch : go into every checkpoint
    facts : of the run, for whoever resumes it
    minutes, steps : between two checkpoints inside an epoch; 0 for never
    metrics : the log; on the disk before a checkpoint is, which tells how long it was
    on_saved : told the steps of a checkpoint that is complete, and the seconds that training waited for it
    on_trouble : told that one could not be written
    on_left : told that one that is no longer needed could not be removed
    best_step : optimiser steps when the best epoch so far ended; 0 before the first
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
    _writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, initializer=_give_way))
    _under_way: _UnderWay | None = None

    def after_step(self) -> None:
        """Make a checkpoint inside an epoch, if it is time for one."""
        progress, now = self.trainer.progress, time.monotonic()
        if self._under_way is not None and self._under_way.written.done():
            self.settle()
        if progress.num_comments == len(self.trainer.data.tokens):
            return  # the one after the epoch comes soon, and is of more use
        if self._missing:
            if now >= self._next_try:
                self.save()
        elif self.steps and progress.step % self.steps == 0:
            self.save()
        elif self.minutes and now - self._latest >= 60 * self.minutes and self._under_way is None:
            self._save_beside_training()

    def settle(self) -> None:
        """Wait for the checkpoint that is being written beside training, if there is one."""
        if self._under_way is None:
            return
        under_way, self._under_way = self._under_way, None
        try:
            under_way.written.result()
        except UserError as error:
            self._trouble(error)
            return
        self._prune(under_way.folder)
        self.on_saved(under_way.step, under_way.waited)

    def _save_beside_training(self) -> None:
        started = time.monotonic()
        try:
            self.metrics.flush()
            snapshot = self._snapshot(None).copied()
        except UserError as error:
            self._trouble(error)
            return
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            self.save()  # no room for a copy
            return
        written = self._writer.submit(save_checkpoint, self.place, snapshot)
        self._latest = time.monotonic()
        self._under_way = _UnderWay(self.place, self.trainer.progress.step, self._latest - started, written)

    def _trouble(self, error: UserError) -> None:
        self._missing, self._next_try = True, time.monotonic() + _SECONDS_UNTIL_ANOTHER_TRY
        self.on_trouble(error)

    def save_epoch(self, is_best: bool, logits: Logits) -> bool:
        """Make the checkpoint of an epoch that has just been judged: see `save`."""
        if is_best:
            self.best_step, self._unwritten_best = self.trainer.progress.step, None
        saved = self.save(logits)
        if is_best and not saved:
            # The weights that the classifier is made of must outlive the steps to come.
            try:
                self._unwritten_best = self._snapshot(logits).copied()
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                raise UserError(
                    "training.todo",
                    "the best epoch so far can neither be written to the disk nor kept in memory",
                    where=self.place,
                    remedy="make room on the disk, then go on from the checkpoint before with --resume",
                ) from error
        return saved

    def save(self, logits: Logits | None = None) -> bool:
        """Make a checkpoint of the place where the trainer is, and remove those that are no longer needed.

        Return False if the disk refused it: then the older ones stay, and it is tried again after a minute.
        """
        started = time.monotonic()
        self.settle()
        try:
            self.metrics.flush()
            self.save_best()
            # There already where a resumed run is asked to stop before its first step.
            if not self.place.exists():
                save_checkpoint(self.place, self._snapshot(logits))
        except UserError as error:
            self._trouble(error)
            return False
        self._prune(self.place)
        self._latest, self._missing = time.monotonic(), False
        self.on_saved(self.trainer.progress.step, self._latest - started)
        return True

    def remove_what_is_not_needed(self) -> None:
        """Remove older checkpoints that a kill left: one that came between a save and the removal after it."""
        if self.place.exists():
            self._prune(self.place)

    def save_best(self) -> None:
        """Write the checkpoint of the best epoch if the disk refused it until now; UserError if it still does."""
        if self._unwritten_best is not None:
            save_checkpoint(self.run.checkpoint(self.best_step), self._unwritten_best)
            self._unwritten_best = None

    @property
    def place(self) -> Path:
        """The folder of a checkpoint of the place where the trainer is."""
        progress = self.trainer.progress
        return self.run.checkpoint(progress.step, to_validate=progress.num_comments == len(self.trainer.data.tokens))

    def load_best(self, model: Any) -> Logits:
        """Put the weights of the best epoch into the model, and return the validation logits they gave."""
        if self._unwritten_best is not None:
            assert self._unwritten_best.logits is not None
            self._unwritten_best.put_best(model)
            return self._unwritten_best.logits
        folder = self.run.checkpoint(self.best_step)
        verify_checkpoint(folder, for_resume=False)
        load_best_weights(folder, model)
        return load_logits(folder)

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
        return take_snapshot(
            trainer.model,
            trainer.optimizer,
            trainer.precision.scaler,
            trainer.progress,
            average=trainer.average,
            facts=facts,
            logits=logits,
        )

    def _prune(self, newest: Path) -> None:
        """Remove all checkpoints but the last two, the best, and what was best when one of them was made."""
        # Of the same weights, the one before their validation is of no use beside the one after it.
        same = self.run.before_validation(newest)
        older = [folder for folder in self.run.checkpoint_folders() if folder != newest]
        latest = [folder for folder in older if folder != same][1 - _NUM_LATEST :]
        kept = {self.run.checkpoint(self.best_step), *latest}
        kept |= {self.run.checkpoint(step) for step in map(best_step_of, latest) if step}
        for folder in older:
            if folder not in kept:
                try:
                    remove_folder(folder)
                except UserError as error:
                    self.on_left(error)


def _give_way() -> None:
    """Let this thread, and those that it starts, have the processor only when training leaves it."""
    if sys.platform == "linux":  # where a thread has a priority of its own
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
