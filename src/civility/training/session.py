"""Session: one process's part of a training run, step by step, from its starting point to the classifier."""

import contextlib
import math
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from civility.arrays import Logits
from civility.engine.checkpoint import has_logits, load_checkpoint
from civility.engine.devices import float32_products
from civility.engine.hardware import keep_freed_memory, peak_memory
from civility.engine.progress import EpochDone, NotFinite, StepDone, Validation
from civility.engine.step_profile import StepProfiler
from civility.engine.validation import StopRequested, measure_validation, score_everywhere, score_of
from civility.engine.watch import RateWatch, Warned, watch_scores
from civility.errors import Interrupted, UserError
from civility.plain_text import listed
from civility.training.build import RunParts, loss_watch_of
from civility.training.build_trainer import plan_of
from civility.training.checkpoint_manager import CheckpointManager
from civility.training.events import EpochJudged, RunResumed, ValidationScored, ValidationStarted
from civility.training.open_run import RunLogs, checkpoint_facts, open_logs
from civility.training.resume import StartingPoint
from civility.training.stop_signals import StopSignals

_MOST_IDS = 8


class Session:
    """One process's part of a training run. The first process also writes logs and checkpoints."""

    def __init__(self, parts: RunParts) -> None:
        self.parts = parts
        self.logits: Logits = np.zeros((0, 0), dtype=np.float32)
        """Of the last validation, (N, L)."""
        self.logs: RunLogs | None = None
        self.checkpoints: CheckpointManager | None = None

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Hold the run directory while the block runs; write its first files, or resume from its last checkpoint.

        Raises
        ------
        UserError : another process is writing there, or the run there is not the one that is asked for
        """
        from accelerate.utils import broadcast_object_list

        parts, facts = self.parts, checkpoint_facts(self.parts)
        with contextlib.ExitStack() as stack:
            found: UserError | StartingPoint = StartingPoint()
            if parts.accelerator.is_main_process:
                try:
                    self.logs = stack.enter_context(open_logs(parts.run, parts.begin, facts, self._warn))
                    found = self.logs.point
                except UserError as error:
                    found = error
            found = broadcast_object_list([found])[0]  # of the first process
            if isinstance(found, UserError):
                raise found
            best_step = 0 if found.folder is None else _restore(parts, found, found.folder)
            if self.logs is not None:
                self.logs.begin(parts)
                self.checkpoints = self._checkpoint_manager(self.logs, facts, best_step)
                stack.callback(self.checkpoints.settle)  # before the lock is released
            if parts.tracker:
                parts.accelerator.init_trackers("civility", config=parts.recipe.flat())
            yield

    def _checkpoint_manager(self, logs: RunLogs, facts: dict[str, Any], best_step: int) -> CheckpointManager:
        parts = self.parts
        num_threads = parts.threads.num if parts.threads else 0
        return CheckpointManager(
            parts.run,
            parts.trainer,
            parts.stopping,
            parts.loss_watch,
            {**facts, "global_size": parts.trainer.shape.global_size, "threads": num_threads},
            minutes=parts.recipe.training.checkpoint_minutes,
            steps=parts.recipe.training.checkpoint_steps,
            metrics=logs.metrics,
            on_saved=lambda step, seconds: logs.write_seconds("save", step, seconds),
            on_trouble=lambda error: self._warn(f"no checkpoint was written, and training continues: {error.message}"),
            on_left=lambda error: self._warn(f"an old checkpoint could not be removed: {error.message}"),
            best_step=best_step,
        )

    def train_epochs(self) -> None:
        """Train until the last epoch, or until patience ends training.

        Raises
        ------
        Interrupted : SIGTERM or Ctrl-C; what was trained is saved
        UserError : the loss or a gradient is not finite; the message names the comments and the last good checkpoint
        """
        parts = self.parts
        keep_freed_memory()
        with StopSignals() as signals, parts.trainer.precision.training():
            try:
                for event in self._events(signals.wanted):
                    if isinstance(event, Warned):
                        parts.emit(event)
                        if self.logs is not None:
                            self.logs.write_training_warning(event)
                    elif isinstance(event, StepDone):
                        self._end_step(event, signals.wanted)
                    else:
                        self._end_epoch(event)
                        if parts.stopping.should_stop:
                            return
            except StopRequested:
                raise self._stop(signals.number) from None

    def _end_step(self, event: StepDone, wants_stop: Callable[[], bool]) -> None:
        """Report and log a step, and save a checkpoint if one is due; StopRequested if the run is to stop."""
        self.parts.emit(event)
        self._log_step(event)
        # Several processes stop after the same step, which the event names; a single one need not wait.
        if event.stop or (self.parts.accelerator.num_processes == 1 and wants_stop()):
            raise StopRequested
        if self.logs is not None and self.checkpoints is not None:
            self.logs.lock.sign()
            self.checkpoints.after_step()

    def _events(self, wants_stop: Callable[[], bool]) -> Iterator[StepDone | EpochDone | Warned]:
        """Yield the events of the training loop, each after the warnings about the training that it causes.

        Raises
        ------
        UserError : the loss or a gradient is not finite
        """
        parts = self.parts
        batch_size, rate_watch = parts.trainer.shape.batch_size, RateWatch()
        try:
            for event in self._profiled(parts.trainer.run(lambda: self.validate(wants_stop), wants_stop)):
                if isinstance(event, StepDone):
                    yield from self._warnings_of_step(event, batch_size, rate_watch)
                    batch_size = event.batch_size
                else:
                    yield from self._warnings_of_epoch(event)
                yield event
        except NotFinite as error:
            ids, folders = parts.data.training.ids, parts.run.checkpoint_folders()
            if self.logs is not None:
                self.logs.write_not_finite(error.step, [ids[row] for row in error.rows])
            raise explain_not_finite(error, ids, folders[-1] if folders else None) from error

    def _warnings_of_step(self, step: StepDone, size_before: int, rate_watch: RateWatch) -> Iterator[Warned]:
        """Yield the warnings about the training, which go to metrics.jsonl.

        That log is the same whether or not the run was interrupted. A warning that training has become slower depends
        on the clock, so it is not yielded: `_warn` writes it to timing.jsonl.
        """
        parts = self.parts
        if step.batch_size < size_before:
            yield Warned(
                step.step,
                f"step {step.step:,}: out of memory; the micro-batch is {step.batch_size} from here on, "
                f"and the effective batch size of {parts.trainer.shape.global_size} is unchanged",
            )
        warning = parts.loss_watch.see(step.step, step.loss)
        slower = rate_watch.see(step.num_padded, step.seconds) if parts.threads is not None else None
        if slower is not None:
            self._warn(
                f"step {step.step:,}: training is {slower:.1f} times slower than at its best: another "
                "process keeps the CPU busy, or the machine has slowed down"
            )
        if warning is not None:
            yield warning

    def _warnings_of_epoch(self, epoch: EpochDone) -> Iterator[Warned]:
        """Yield a warning if all validation comments have the same score for a label."""
        parts = self.parts
        warning = watch_scores(epoch.step, self.logits, parts.data.validation.labels, parts.trainer.precision.name)
        if warning is not None:
            yield warning

    def _profiled(self, events: Iterator[StepDone | EpochDone]) -> Iterator[StepDone | EpochDone]:
        """Yield the events of the training loop, and profile some of the first steps on the way if that was asked."""
        parts, trainer = self.parts, self.parts.trainer
        if parts.profiles and parts.accelerator.is_main_process:
            # Of this epoch only: between two of them the loop validates.
            rows = len(parts.data.training) - trainer.progress.num_comments
            num_left = max(1, trainer.shape.num_steps(rows))
            profiler = StepProfiler(parts.run.profile, num_left, trainer.precision.device)
            while not profiler.is_done:
                profiler.before()
                event = next(events, None)
                if event is None:
                    return
                yield event
                found = profiler.after(event.step)
                if found is not None:
                    parts.emit(found)
        yield from events

    def validate(self, wants_stop: Callable[[], bool]) -> Validation:
        """Score the validation comments on all processes together, and measure them on each; StopRequested ends it."""
        parts, dataset = self.parts, self.parts.data.validation
        parts.emit(ValidationStarted(parts.trainer.progress.epoch + 1, len(dataset)))

        def on_scored(num_comments: int) -> None:
            parts.emit(ValidationScored(num_comments))
            if self.logs is not None:
                self.logs.lock.sign()

        with float32_products("ieee"):  # as the classifier will score, whatever the precision of training
            self.logits = score_everywhere(
                parts.accelerator,
                parts.trainer.forward,
                parts.tokens.validation,
                len(dataset.labels),
                parts.recipe.evaluation.tokens_per_batch,
                on_scored,
                wants_stop,
            )
        return measure_validation(self.logits, dataset.targets, parts.trainer.loss, dataset.labels)

    def _log_step(self, step: StepDone) -> None:
        if step.step % self.parts.recipe.training.log_every == 0:
            if self.logs is not None:
                self.logs.write_step(step)
            self.parts.accelerator.log(_tracker_values(asdict(step), "step/"), step=step.step)

    def _end_epoch(self, epoch: EpochDone) -> None:
        """Compare an epoch with the earlier ones by the recipe's metric, log it, and save it."""
        parts = self.parts
        is_best = parts.stopping.see(epoch.epoch, score_of(epoch.validation, parts.recipe.training.metric))
        if self.logs is not None:
            self.logs.write_epoch(epoch, is_best, peak_memory(parts.trainer.precision.device))
        parts.accelerator.log(_tracker_values(asdict(epoch), "epoch/"), step=epoch.step)
        if self.checkpoints is not None:
            self.checkpoints.save_epoch(is_best, self.logits)
        parts.emit(EpochJudged(epoch, is_best))

    def _stop(self, signal_number: int) -> Interrupted:
        """Save the run where it is, and return what ends the command."""
        how = ""
        if self.checkpoints is not None:
            saved = self.checkpoints.save()
            how = f", saved in {self.checkpoints.place}" if saved else "; this step could not be saved"
        # The launcher ends all processes when one has ended, which must not happen before the first has saved.
        self.parts.accelerator.wait_for_everyone()
        return Interrupted(
            f"stopped after step {self.parts.trainer.progress.step:,}{how}\n"
            f"to resume: civility train --resume --out {self.parts.run.path}",
            signal_number or signal.SIGTERM,
        )

    def _warn(self, text: str) -> None:
        """Warn of the disk or the machine, which the next session may not meet."""
        warning = Warned(self.parts.trainer.progress.step, text)
        self.parts.emit(warning)
        if self.logs is not None:
            self.logs.write_session_warning(warning)


def _restore(parts: RunParts, point: StartingPoint, folder: Path) -> int:
    """Bring a process to the checkpoint in ``folder``, from which the run resumes.

    Return the step at the end of the best epoch so far; 0 if there is none.
    """
    trainer, facts = parts.trainer, point.facts
    if facts["global_size"] != trainer.shape.global_size:  # that of a newer checkpoint, which was skipped
        trainer.shape = replace(trainer.shape, global_size=facts["global_size"])
        trainer.plan = plan_of(parts.recipe, trainer.shape, len(trainer.data.tokens))
        parts.loss_watch = loss_watch_of(trainer)
    scaler = trainer.precision.scaler
    trainer.progress = load_checkpoint(folder, trainer.model, trainer.optimizer, scaler, trainer.average)
    parts.loss_watch.restore(facts["loss_watch"])
    stopping = parts.stopping
    stopping.last_epoch = facts["stopping"]["last_epoch"]
    if point.forgets_best:
        # Patience begins anew. These weights are the best there are, if they have been validated.
        stopping.best_epoch = stopping.last_epoch
        best_step = trainer.progress.step if has_logits(folder) else 0
    else:
        score = facts["stopping"]["best_score"]
        stopping.best_score = -math.inf if score is None else score
        stopping.best_epoch = facts["stopping"]["best_epoch"]
        best_step = int(facts["best_step"])
    # A micro-batch that was halved for lack of memory stays so, unless another one is asked for.
    if parts.recipe.training.batch_size == facts["recipe"]["training.batch_size"]:
        trainer.shape = replace(trainer.shape, batch_size=facts["batch_size"])
    steps_per_epoch = trainer.shape.num_steps(len(trainer.data.tokens))
    parts.emit(RunResumed(trainer.progress.step, steps_per_epoch, trainer.shape.global_size))
    return best_step


def explain_not_finite(error: NotFinite, ids: Sequence[str], checkpoint: Path | None) -> UserError:
    """Return the error with the ``ids`` (N,) of its training comments, and the newest checkpoint if there is one."""
    which = "the scores are not finite for the comments" if error.narrowed else "its comments"
    found = f"{error.found}\n       {which}: {listed([ids[row] for row in error.rows], _MOST_IDS)}"
    kept = f"the last good checkpoint is {checkpoint}" if checkpoint else "no checkpoint had been written yet"
    return UserError(error.code, found, remedy=f"{error.remedy}\n{kept}")


def _tracker_values(line: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the numbers of a metrics line, nested ones under ``outer/inner``."""
    values: dict[str, float] = {}
    for key, value in line.items():
        if isinstance(value, dict):
            values |= _tracker_values(value, f"{prefix}{key}/")
        elif isinstance(value, int | float):
            values[prefix + key] = float(value)
    return values
