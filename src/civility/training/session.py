"""The pieces of one training run, put together from its recipe, and what is done with them between steps.

The one place that knows both the recipe and the mechanism; the order of events is the story's, in ``train``.
"""

import contextlib
import math
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from civility.arrays import Logits
from civility.data.prepare import PreparedData
from civility.engine.checkpoint import has_logits, load_checkpoint
from civility.engine.devices import float32_products, give_back_memory
from civility.engine.early_stopping import EarlyStopping, score_of
from civility.engine.hardware import device_memory, peak_memory
from civility.engine.loop import Trainer
from civility.engine.progress import EpochDone, NotFinite, StepDone, Validation
from civility.engine.threads import Threads
from civility.engine.validation import measure_validation, score_everywhere
from civility.engine.watch import LossWatch, RateWatch, Warned, watch_scores
from civility.errors import Interrupted, UserError
from civility.evaluation import Report
from civility.evaluation.report_files import write_report
from civility.models.encoder import Encoder
from civility.models.encoder_scorer import EncoderScorer
from civility.models.vocabulary import give_back_whole
from civility.recipe import Recipe
from civility.render.markdown.model_card import model_card
from civility.render.sentences.report_sentences import other_scores
from civility.run import Begin, RunDirectory
from civility.scoring.classifier import Classifier
from civility.scoring.tokens import Tokens
from civility.storage.atomic_files import write_folder
from civility.training import provenance
from civility.training.build import (
    build_trainer,
    check_and_load,
    plan_of,
    refuse_at_once,
    start_devices,
    tokenise_comments,
)
from civility.training.checkpoint_manager import Keeper
from civility.training.device_batch import fit_to_memory
from civility.training.events import Listener, RunPlanned, RunResumed, Speed, ValidationScored, ValidationStarted
from civility.training.finalize import fit_to_validation, report_of_run
from civility.training.preflight import Check, agreed, checks_by_trying, checks_of_the_run
from civility.training.preflight.not_finite import explain_not_finite
from civility.training.resume import Former, StartingPoint, find_starting_point
from civility.training.run_logs import Records, open_records


@dataclass(eq=False)
class Session:
    """What the steps of the story share: the pieces of one run, put together from its recipe.

    Parameters
    ----------
    tell : told what happens; on the first process only
    checks : what was found before the first step
    threads : that a processor computes with; None on other devices
    fitted : how the sharing of a step came about; empty if it is the recipe's
    logits : of the last validation, (N, L)
    """

    recipe: Recipe
    run: RunDirectory
    accelerator: Any
    encoder: Encoder
    trainer: Trainer
    speed: Speed
    validation_tokens: Tokens
    data: PreparedData
    tell: Listener
    stopping: EarlyStopping
    loss_watch: LossWatch
    checks: tuple[Check, ...] = ()
    threads: Threads | None = None
    fitted: str = ""
    logits: Logits = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    _best_step: int = 0
    _records: Records | None = None
    _keeper: Keeper | None = None

    @classmethod
    def start(
        cls,
        recipe: Recipe,
        data: PreparedData,
        run: RunDirectory,
        *,
        tracker: str,
        former: Former,
        listen: Listener,
    ) -> "Session":
        """Check what can be checked, load the model, tokenise the comments, put everything on its device.

        Nothing is written but tokens to their cache. ``former`` is what a run that is gone on with had settled.
        """
        asked_to_fit, recipe = recipe.training.fit, former.keep_fit(recipe)
        accelerator, precision, threads = start_devices(recipe, run, tracker, former.threads)
        tell: Listener = listen if accelerator.is_main_process else lambda fact: None
        tokens = tokenise_comments(recipe, data, accelerator)
        encoder, checks = check_and_load(recipe, data, run, tokens, accelerator, precision, tell)
        trainer, speed = build_trainer(recipe, data, tokens, encoder, accelerator, precision, former.global_size)
        checks += agreed(checks_by_trying(tokens.tokenizer, trainer))
        refuse_at_once(checks, tell)
        fitted = "shared as before: a run that is gone on with is not fitted again" if asked_to_fit else ""
        if recipe.training.fit:
            give_back_memory()  # of the self-test: it counts as used
            recipe, fitted, memory = fit_to_memory(recipe, trainer, device_memory(precision.device))
            checks = [memory if check.name == memory.name else check for check in checks]
        checks += agreed(checks_of_the_run(recipe, data, encoder, trainer))
        return cls(
            *(recipe, run, accelerator, encoder, trainer, speed, tokens.validation, data, tell),
            EarlyStopping(recipe.training.patience, min_gain=recipe.training.min_gain),
            LossWatch(trainer.plan.schedule.num_steps, trainer.plan.schedule.num_warmup_steps),
            tuple(checks),
            threads,
            fitted,
        )

    def planned(self) -> RunPlanned:
        """Return what is about to happen."""
        found = provenance.planned(self.recipe, self.data, self.encoder, self.trainer, self.speed, self.run)
        return replace(found, threads=self.threads.why if self.threads else "", fitted=self.fitted)

    @contextlib.contextmanager
    def on_disk(self, command: Sequence[str], tracker: str, begin: Begin) -> Iterator[None]:
        """Hold the run directory while the block runs; make its files, or go on from its last checkpoint.

        Raises
        ------
        UserError : another run is writing there, or the run there is not the one that is asked for
        """
        facts = self._own_facts()
        with contextlib.ExitStack() as stack:
            found: UserError | StartingPoint = StartingPoint()
            if self.accelerator.is_main_process:
                try:
                    self._records = stack.enter_context(open_records(self.run, begin, facts, self.warn))
                    found = self._records.point
                except UserError as error:
                    found = error
            self._go_on(found)
            if self._records is not None:
                facts_now = provenance.session_facts(command, self.trainer, self.threads)
                environment = provenance.environment(facts_now, self.data, self.checks)
                self._records.begin(self.recipe, environment, facts_now)
                self._keeper = self._new_keeper(self._records, facts)
                stack.callback(self._keeper.settle)  # before the lock is let go
            if tracker:
                self.accelerator.init_trackers("civility", config=self.recipe.flat())
            yield

    def check_resumable(self) -> None:
        """Raise the UserError with which going on would be refused; write nothing."""
        if self.accelerator.is_main_process:
            find_starting_point(self.run, self._own_facts())

    def _own_facts(self) -> dict[str, Any]:
        return provenance.checkpoint_facts(self.recipe, self.data, self.trainer, self.validation_tokens)

    def _new_keeper(self, records: Records, facts: dict[str, Any]) -> Keeper:
        return Keeper(
            self.run,
            self.trainer,
            self.stopping,
            self.loss_watch,
            {
                **facts,
                "global_size": self.trainer.shape.global_size,
                "threads": self.threads.num if self.threads else 0,
            },
            minutes=self.recipe.training.checkpoint_minutes,
            steps=self.recipe.training.checkpoint_steps,
            metrics=records.metrics,
            on_saved=lambda step, seconds: records.write_seconds("save", step, seconds),
            on_trouble=lambda error: self.warn(f"no checkpoint was made, and training goes on: {error.message}"),
            on_left=lambda error: self.warn(f"a checkpoint that is no longer needed is still there: {error.message}"),
            best_step=self._best_step,
        )

    def _go_on(self, found: UserError | StartingPoint) -> None:
        """Bring every process to the starting point that the first one has found; raise what it met instead."""
        from accelerate.utils import broadcast_object_list

        point: UserError | StartingPoint = broadcast_object_list([found])[0]
        if isinstance(point, UserError):
            raise point
        if point.folder is None:
            return
        trainer, facts = self.trainer, point.facts
        if facts["global_size"] != trainer.shape.global_size:  # a checkpoint that was passed over had told another
            trainer.shape = replace(trainer.shape, global_size=facts["global_size"])
            trainer.plan = plan_of(self.recipe, trainer.shape, len(trainer.data.tokens))
            self.loss_watch = LossWatch(trainer.plan.schedule.num_steps, trainer.plan.schedule.num_warmup_steps)
        trainer.progress = load_checkpoint(
            point.folder, trainer.model, trainer.optimizer, trainer.precision.scaler, trainer.average
        )
        self.loss_watch.restore(facts["loss_watch"])
        self.stopping.last_epoch = facts["stopping"]["last_epoch"]
        if point.forgets_best:
            # Patience begins anew. Weights that have been scored are the best there is, until others are.
            self.stopping.best_epoch = self.stopping.last_epoch
            self._best_step = trainer.progress.step if has_logits(point.folder) else 0
        else:
            score = facts["stopping"]["best_score"]
            self.stopping.best_score = -math.inf if score is None else score
            self.stopping.best_epoch = facts["stopping"]["best_epoch"]
            self._best_step = facts["best_step"]
        # A micro-batch that was halved for want of memory stays so, unless another one is asked for.
        if self.recipe.training.batch_size == facts["recipe"]["training.batch_size"]:
            trainer.shape = replace(trainer.shape, batch_size=facts["batch_size"])
        steps_per_epoch = trainer.shape.num_steps(len(trainer.data.tokens))
        self.tell(RunResumed(trainer.progress.step, steps_per_epoch, trainer.shape.global_size))

    def facts(self, wants_stop: Callable[[], bool]) -> Iterator[StepDone | EpochDone | Warned]:
        """Yield the facts of the training loop, and before each what there is to warn of.

        Raises
        ------
        UserError : the loss or a gradient is not finite: with the comments' ids and the last good checkpoint
        StopRequested : a signal came in the middle of a validation
        """
        batch_size, rate_watch = self.trainer.shape.batch_size, RateWatch()
        try:
            for fact in self.trainer.run(lambda: self.validate(wants_stop), wants_stop):
                if isinstance(fact, StepDone):
                    if fact.batch_size < batch_size:
                        yield _halved(fact, self.trainer.shape.global_size)
                    batch_size = fact.batch_size
                    warning = self.loss_watch.see(fact.step, fact.loss)
                    if self.threads is not None:
                        self._warn_if_slow(rate_watch.see(fact.num_padded, fact.seconds))
                else:
                    warning = watch_scores(
                        fact.step, self.logits, self.data.validation.labels, self.trainer.precision.name
                    )
                if warning is not None:
                    yield warning
                yield fact
        except NotFinite as error:
            if self._records is not None:
                self._records.write_breakdown(error.step, [self.data.training.ids[row] for row in error.rows])
            kept = self.run.checkpoint_folders()
            raise explain_not_finite(error, self.data.training.ids, kept[-1] if kept else None) from error

    def validate(self, wants_stop: Callable[[], bool]) -> Validation:
        """Score the validation comments on all processes, and measure them on each.

        Raises
        ------
        StopRequested : a signal came
        """
        dataset = self.data.validation
        self.tell(ValidationStarted(self.trainer.progress.epoch + 1, len(dataset)))

        def on_scored(num_comments: int) -> None:
            self.tell(ValidationScored(num_comments))
            if self._records is not None:
                self._records.lock.sign()

        with float32_products("ieee"):  # as the classifier will score, whatever the precision of training
            self.logits = score_everywhere(
                self.accelerator,
                self.trainer.forward,
                self.validation_tokens,
                len(dataset.labels),
                self.recipe.evaluation.tokens_per_batch,
                on_scored,
                wants_stop,
            )
        return measure_validation(self.logits, dataset.targets, self.trainer.loss, dataset.labels)

    def _warn_if_slow(self, times_slower: float | None) -> None:
        if times_slower is not None:
            self.warn(
                f"step {self.trainer.progress.step:,}: training is {times_slower:.1f} times slower than at its best: "
                "another process keeps the processor busy, or the machine has slowed down"
            )

    def warn(self, text: str) -> None:
        """Tell what a person should know of the disk and the machine: nothing that another life would repeat."""
        warning = Warned(self.trainer.progress.step, text)
        self.tell(warning)
        if self._records is not None:
            self._records.write_warning(warning)

    def log_warning(self, fact: Warned) -> None:
        """Write to the log what there is to warn of in the training itself."""
        if self._records is not None:
            self._records.metrics.write({"kind": "warning", **asdict(fact)})

    def log_step(self, fact: StepDone) -> None:
        """Write a step to the logs and the tracker, every so many steps."""
        if fact.step % self.recipe.training.log_every == 0:
            if self._records is not None:
                self._records.write_step(fact)
            self.accelerator.log(_tracker_values(asdict(fact), "step/"), step=fact.step)

    def judge(self, fact: EpochDone) -> bool:
        """Compare an epoch with those before it by the recipe's metric; return whether it is the best so far."""
        return self.stopping.see(fact.epoch, score_of(fact.validation, self.recipe.training.metric))

    def log_epoch(self, fact: EpochDone, is_best: bool) -> None:
        """Write an epoch to the logs and the tracker."""
        if self._records is not None:
            self._records.write_epoch(fact, is_best, peak_memory(self.trainer.precision.device))
        self.accelerator.log(_tracker_values(asdict(fact), "epoch/"), step=fact.step)

    def after_step(self) -> None:
        """Show whoever waits for the directory that this run lives, and make a checkpoint if it is time for one."""
        if self._records is not None and self._keeper is not None:
            self._records.lock.sign()
            self._keeper.after_step()

    def save_epoch(self, is_best: bool) -> None:
        """Make the checkpoint of an epoch that has just been judged."""
        if self._keeper is not None:
            self._keeper.save_epoch(is_best, self.logits)

    def stop(self, signal_number: int) -> Interrupted:
        """Save where the run is, and return what to end the command with."""
        how = ""
        if self._keeper is not None:
            saved = self._keeper.save()
            how = f", saved in {self._keeper.place}" if saved else "; this place could not be saved"
        # The launcher ends all processes when one has ended: not before the first has saved.
        self.accelerator.wait_for_everyone()
        return Interrupted(
            f"stopped after step {self.trainer.progress.step:,}{how}\n"
            f"to go on: civility train --resume --out {self.run.path}",
            signal_number or signal.SIGTERM,
        )

    def finish(self) -> Report | None:
        """Put the report of the best epoch and its classifier in place; None on all processes but the first.

        The classifier comes last: where it is, the run has reached its end.
        """
        if self._keeper is None or self._records is None:
            return None
        try:
            self._keeper.remove_what_is_not_needed()
            logits = self._keeper.load_best(self.encoder.model)
            self.trainer.optimizer.state.clear()  # the whole embedding takes its place
            give_back_whole(self.encoder.model.cpu())
            classifier = Classifier(EncoderScorer(self.encoder, self.recipe.scoring_length))
            # The logits that chose the epoch are, to rounding, what the classifier computes: no need to score again.
            scored = fit_to_validation(classifier, self.data, logits, self.recipe)
            self._records.flush()
            report = report_of_run(classifier, scored, self.data, self.recipe, self.run.read_metrics())
            outside = classifier.not_in_weights
            card = model_card(provenance.card(self.recipe, self.data, self.run, self.stopping, outside), report)
            self._keeper.save_best()
            write_report(report, scored, self.run.reports, [str(self.run.path)])
            with write_folder(self.run.classifier) as folder:
                classifier.save(folder, card)
        except UserError as error:
            raise UserError(
                "training.todo",
                f"{error.message}; training is done, its result is not written",
                remedy=f"{error.remedy}\nthen: civility train --resume --out {self.run.path}",
            ) from error
        if outside:
            self.tell(Warned(self.trainer.progress.step, other_scores(outside)))
        return report


def _halved(fact: StepDone, global_size: int) -> Warned:
    return Warned(
        fact.step,
        f"step {fact.step:,}: out of memory; the micro-batch is {fact.batch_size} from here on, "
        f"and a step is {global_size} comments as before",
    )


def _tracker_values(line: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the numbers of a metrics line, nested ones under ``outer/inner``."""
    values: dict[str, float] = {}
    for key, value in line.items():
        if isinstance(value, dict):
            values |= _tracker_values(value, f"{prefix}{key}/")
        elif isinstance(value, int | float):
            values[prefix + key] = float(value)
    return values
