"""Train: a recipe and data become a run directory with a classifier in it.

A story told to a listener, fact by fact: what is drawn of it is the command line's affair.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from civility.classifier import Classifier
from civility.data.dataset import POSITIVE_FROM
from civility.data.files import write_folder
from civility.data.prepare import PreparedData
from civility.errors import UserError
from civility.model.encoder import Encoder, load_encoder
from civility.model.tokens import Tokens, tokenise
from civility.recipe import Recipe
from civility.report import Report
from civility.report.card import CardFacts, model_card
from civility.report.pages import write_report
from civility.run import RunDirectory
from civility.training.checkpoint import load_weights, save_checkpoint
from civility.training.devices import choose_device, choose_precision, describe_device, start_accelerator
from civility.training.environment import describe_environment, library_versions
from civility.training.loop import EpochDone, Plan, StepDone, Trainer, TrainingData, Validation
from civility.training.loss import Loss, build_loss, positive_share
from civility.training.optimizer import build_adamw, linear_schedule
from civility.training.order import BatchShape
from civility.training.stopping import EarlyStopping
from civility.training.trackers import check_tracker
from civility.training.validation import measure_validation, score_everywhere

VALIDATION_NOTE = (
    "These comments chose the best epoch of the run, so the numbers are a little optimistic: "
    "evaluate on comments that took no part for a number to rely on."
)


@dataclass(frozen=True)
class RunPlanned:
    """Told once, before the first step: what is about to happen."""

    num_training: int
    num_validation: int
    labels: tuple[str, ...]
    notes: tuple[str, ...]
    model: str
    num_parameters: int
    head_is_new: bool
    share_truncated: float
    device: str
    precision: str
    epochs: int
    steps_per_epoch: int
    global_batch: int
    label_weights: dict[str, float]
    path: Path


@dataclass(frozen=True)
class ValidationStarted:
    """Told before the validation comments are scored."""

    epoch: int
    num_comments: int


@dataclass(frozen=True)
class EpochJudged:
    """Told after each epoch: its numbers, and whether it is the best so far."""

    epoch: EpochDone
    is_best: bool


@dataclass(frozen=True)
class RunFinished:
    """Told once, at the end: the classifier is in place, and the report of the validation comments."""

    run: RunDirectory
    report: Report
    best_epoch: int
    epochs_run: int
    stopped_early: bool
    seconds: float


Fact = RunPlanned | StepDone | ValidationStarted | EpochJudged | RunFinished
Listener = Callable[[Fact], None]


def train(
    recipe: Recipe,
    data: PreparedData,
    out: Path,
    *,
    command: Sequence[str] = (),
    tracker: str = "",
    listen: Listener = lambda fact: None,
) -> RunDirectory:
    """Train a classifier as the recipe says, and leave it in a run directory with its report.

    Under `accelerate launch` or `torchrun` every process calls this; the first one writes.

    Parameters
    ----------
    recipe : what to do
    data : the comments, from `civility.data.prepare.prepare`
    out : the run directory; must be empty or absent
    command : what the user typed, for the record
    tracker : "tensorboard", "wandb", "mlflow", "trackio" or none
    listen : told every `Fact` as it happens, on the first process only

    Raises
    ------
    UserError : whatever the user can mend; nothing is left behind if it is found before the first step
    """
    started = time.monotonic()
    run = RunDirectory.at_free_place(out)
    if tracker:
        check_tracker(tracker)
    session = _Session.start(recipe, data, run, tracker)
    accelerator, trainer = session.accelerator, session.trainer
    tell: Listener = listen if accelerator.is_main_process else lambda fact: None
    if accelerator.is_main_process:
        run.create()
        run.write_recipe(recipe.to_toml())
        run.write_environment(_environment(session, data, command))
    tell(session.planned(data))
    if tracker:
        accelerator.init_trackers("civility", config=recipe.flat())

    stopping = EarlyStopping(recipe.training.patience)
    last_epoch_step = trainer.plan.shape.num_steps(len(data.training))
    for fact in trainer.run(lambda: session.validate(tell)):
        if isinstance(fact, StepDone):
            tell(fact)
            if fact.step % recipe.training.log_every == 0 or fact.step % last_epoch_step == 0:
                session.log({"kind": "step", **asdict(fact)}, fact.step)
            continue
        is_best = stopping.see(fact.epoch, fact.validation.macro_roc_auc)
        session.log({"kind": "epoch", **asdict(fact), "best": is_best}, fact.step)
        session.save_checkpoint(fact.step, is_best)
        tell(EpochJudged(fact, is_best))
        if stopping.should_stop:
            break

    report = session.finish(data, stopping)
    if tracker:
        accelerator.end_training()
    if report is not None:
        stopped_early = stopping.last_epoch < recipe.training.epochs
        seconds = time.monotonic() - started
        tell(RunFinished(run, report, stopping.best_epoch, stopping.last_epoch, stopped_early, seconds))
    return run


@dataclass(eq=False)
class _Session:
    """What the steps of the story share: the pieces of one run, put together from its recipe."""

    recipe: Recipe
    run: RunDirectory
    accelerator: Any
    encoder: Encoder
    trainer: Trainer
    loss: Loss
    validation_tokens: Tokens
    validation: PreparedData
    device: str
    precision: str
    best_step: int = 0

    @classmethod
    def start(cls, recipe: Recipe, data: PreparedData, run: RunDirectory, tracker: str) -> "_Session":
        """Load the model, tokenise the comments and put everything on its device."""
        settings = recipe.training
        device = choose_device(settings.device)
        precision = choose_precision(settings.precision, device)
        accelerator = start_accelerator(device, precision, [tracker] if tracker else [], str(run.trackers))
        labels = data.training.labels
        encoder = load_encoder(recipe.model.name, labels, revision=recipe.model.revision or None, seed=recipe.seed)
        longest = encoder.longest_text
        if recipe.data.max_length > longest:
            raise UserError(
                f"data.max_length = {recipe.data.max_length}: {recipe.model.name} takes at most {longest} tokens",
                f"--set data.max_length={longest}",
            )
        tokens = tokenise(encoder.tokenizer, data.training.texts, recipe.data.max_length)
        validation_tokens = tokenise(encoder.tokenizer, data.validation.texts, recipe.data.max_length)
        shape = BatchShape(settings.batch_size, settings.gradient_accumulation, accelerator.num_processes)
        num_steps = settings.epochs * shape.num_steps(len(tokens))
        optimizer = build_adamw(
            encoder.model,
            weight_decay=settings.weight_decay,
            betas=(settings.adam_beta1, settings.adam_beta2),
            epsilon=settings.adam_epsilon,
        )
        share = positive_share(data.training.targets)
        loss = build_loss(settings.loss, share, settings.weight_power).to(accelerator.device)
        model, prepared_optimizer = accelerator.prepare(encoder.model, optimizer)
        plan = Plan(
            epochs=settings.epochs,
            shape=shape,
            schedule=linear_schedule(settings.learning_rate, settings.warmup_fraction, num_steps),
            max_gradient_norm=settings.max_gradient_norm,
            seed=recipe.seed,
            group_by_length=settings.group_by_length,
        )
        training_data = TrainingData(tokens, data.training.targets)
        trainer = Trainer(accelerator, model, prepared_optimizer, training_data, loss, plan)
        return cls(recipe, run, accelerator, encoder, trainer, loss, validation_tokens, data, device, precision)

    def planned(self, data: PreparedData) -> RunPlanned:
        """Return what is about to happen."""
        plan, tokens = self.trainer.plan, self.trainer.data.tokens
        return RunPlanned(
            num_training=len(data.training),
            num_validation=len(data.validation),
            labels=data.training.labels,
            notes=data.notes,
            model=self.recipe.model.name,
            num_parameters=self.encoder.num_parameters,
            head_is_new=self.encoder.head_is_new,
            share_truncated=tokens.num_truncated / len(tokens),
            device=describe_device(self.device, self.accelerator.num_processes),
            precision=self.precision,
            epochs=plan.epochs,
            steps_per_epoch=plan.shape.num_steps(len(tokens)),
            global_batch=plan.shape.global_size,
            label_weights=dict(zip(data.training.labels, self.loss.label_weights.tolist(), strict=True)),
            path=self.run.path,
        )

    def validate(self, tell: Listener) -> Validation:
        """Score the validation comments on all processes, and measure them on each."""
        dataset = self.validation.validation
        tell(ValidationStarted(self.trainer.progress.epoch, len(dataset)))
        logits = score_everywhere(
            self.accelerator,
            self.trainer.model,
            self.validation_tokens,
            len(dataset.labels),
            self.recipe.evaluation.tokens_per_batch,
        )
        return measure_validation(logits, dataset.targets, self.loss, dataset.labels)

    def log(self, line: dict[str, Any], step: int) -> None:
        """Write a line of the metrics log, and give its numbers to the tracker."""
        if self.accelerator.is_main_process:
            self.run.log_metrics(line)
        self.accelerator.log(_tracker_values(line), step=step)

    def save_checkpoint(self, step: int, is_best: bool) -> None:
        """Write a checkpoint, and keep only this one and the best."""
        self.best_step = step if is_best else self.best_step
        if not self.accelerator.is_main_process:
            return
        save_checkpoint(
            self.run.checkpoint(step),
            self.accelerator.unwrap_model(self.trainer.model),
            self.trainer.optimizer.optimizer,
            self.accelerator.scaler,
            self.trainer.progress,
        )
        for folder in self.run.checkpoint_folders():
            if folder not in (self.run.checkpoint(step), self.run.checkpoint(self.best_step)):
                shutil.rmtree(folder)

    def finish(self, data: PreparedData, stopping: EarlyStopping) -> Report | None:
        """Put the best epoch's classifier and its report in place; None on all processes but the first."""
        if not self.accelerator.is_main_process:
            return None
        model = self.accelerator.unwrap_model(self.trainer.model, keep_fp32_wrapper=False)
        load_weights(self.run.checkpoint(self.best_step), model)
        classifier = Classifier(self.encoder, self.recipe.data.max_length)
        scores = classifier.score(data.validation.texts, tokens_per_batch=self.recipe.evaluation.tokens_per_batch)
        report = Report.measure(data.validation, scores, data.validation_files)
        with write_folder(self.run.classifier) as folder:
            classifier.save(folder, model_card(self._card(data, stopping), report))
        write_report(report, self.run.reports, "validation", VALIDATION_NOTE)
        return report

    def _card(self, data: PreparedData, stopping: EarlyStopping) -> CardFacts:
        positives = (data.training.targets >= POSITIVE_FROM).sum(axis=0).tolist()
        return CardFacts(
            name=self.run.path.name,
            base_model=self.recipe.model.name,
            recipe=self.recipe.to_toml(),
            num_training=len(data.training),
            positives=dict(zip(data.training.labels, positives, strict=True)),
            training_digest=data.training.digest,
            training_files=data.files,
            max_length=self.recipe.data.max_length,
            best_epoch=stopping.best_epoch,
            epochs_run=stopping.last_epoch,
            versions=library_versions(),
        )


def _environment(session: _Session, data: PreparedData, command: Sequence[str]) -> dict[str, Any]:
    return {
        "command": list(command),
        **describe_environment(),
        "device": describe_device(session.device, 1),
        "precision": session.precision,
        "num_processes": session.accelerator.num_processes,
        "data": {
            "training": {
                "files": list(data.files),
                "num_comments": len(data.training),
                "digest": data.training.digest,
            },
            "validation": {
                "files": list(data.validation_files),
                "num_comments": len(data.validation),
                "digest": data.validation.digest,
            },
        },
    }


def _tracker_values(line: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the numbers of a metrics line, nested ones under ``outer/inner``."""
    values: dict[str, float] = {}
    for key, value in line.items():
        if isinstance(value, dict):
            values |= _tracker_values(value, f"{prefix}{key}/")
        elif isinstance(value, int | float):
            values[prefix + key] = float(value)
    return values
