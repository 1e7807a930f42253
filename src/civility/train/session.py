"""The pieces of one training run, put together from its recipe, and what is done with them between steps.

The one place that knows both the recipe and the mechanism; the order of events is the story's, in ``train``.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from civility.classifier import Classifier
from civility.data.dataset import POSITIVE_FROM, Float32Array
from civility.data.files import write_folder
from civility.data.prepare import PreparedData
from civility.errors import UserError
from civility.model.encoder import Encoder, load_config, load_encoder, public_name
from civility.model.tokens import Tokens, tokenise
from civility.recipe import Recipe
from civility.report import Report
from civility.report.card import CardFacts, model_card
from civility.report.pages import write_report
from civility.run import OWN_REPORT, RunDirectory
from civility.train.doctor import Check, agreed, checks_before_loading, checks_of_the_run, refuse_failed
from civility.train.doctor.not_finite import explain_not_finite
from civility.train.facts import Listener, RunChecked, RunPlanned, ValidationScored, ValidationStarted
from civility.training.checkpoint import load_weights, save_checkpoint
from civility.training.devices import (
    MixedPrecision,
    choose_device,
    choose_precision,
    describe_device,
    start_accelerator,
)
from civility.training.environment import describe_environment, library_versions
from civility.training.loop import EpochDone, NotFinite, Plan, StepDone, Trainer, TrainingData, Validation
from civility.training.loss import build_loss, positive_share
from civility.training.optimizer import build_adamw, linear_schedule
from civility.training.order import BatchShape
from civility.training.stopping import EarlyStopping
from civility.training.validation import measure_validation, score_everywhere
from civility.training.watch import LossWatch, Warned, watch_scores

VALIDATION_NOTE = (
    "These comments chose the best epoch of the run, so the numbers are a little optimistic: "
    "evaluate on comments that took no part for a number to rely on."
)


@dataclass(eq=False)
class Session:
    """What the steps of the story share: the pieces of one run, put together from its recipe."""

    recipe: Recipe
    run: RunDirectory
    accelerator: Any
    encoder: Encoder
    trainer: Trainer
    validation_tokens: Tokens
    data: PreparedData
    checks: tuple[Check, ...] = ()
    best_step: int = 0
    logits: Float32Array = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    best_logits: Float32Array = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))

    @classmethod
    def start(cls, recipe: Recipe, data: PreparedData, run: RunDirectory, tracker: str, listen: Listener) -> "Session":
        """Check what can be checked, load the model, tokenise the comments and put everything on its device.

        ``listen`` is told the checks only if one of them fails before there is more to tell.
        """
        settings = recipe.training
        device = choose_device(settings.device)
        precision = choose_precision(settings.precision, device)
        accelerator = start_accelerator(device, [tracker] if tracker else [], str(run.trackers))
        labels = data.training.labels
        config = load_config(recipe.model.name, recipe.model.revision or None)
        num_processes = accelerator.num_processes
        checks = agreed(checks_before_loading(recipe, data, run.path, config, device, precision, num_processes))
        if any(check.state == "failed" for check in checks) and accelerator.is_main_process:
            listen(RunChecked(tuple(checks), in_full=True))
        refuse_failed(checks)  # a machine too small is told, not killed while the weights are loaded
        encoder = load_encoder(recipe.model.name, labels, revision=recipe.model.revision or None, seed=recipe.seed)
        for setting, length in (("data", recipe.data.max_length), ("evaluation", recipe.evaluation.max_length)):
            if length > encoder.longest_text:
                raise UserError(
                    f"{setting}.max_length = {length}: {recipe.model.name} takes at most {encoder.longest_text} tokens",
                    f"--set {setting}.max_length={encoder.longest_text}",
                )
        tokens = tokenise(encoder.tokenizer, data.training.texts, recipe.data.max_length)
        validation_tokens = tokenise(encoder.tokenizer, data.validation.texts, recipe.scoring_length)
        shape = BatchShape(settings.batch_size, settings.gradient_accumulation, accelerator.num_processes)
        num_steps = settings.epochs * shape.num_steps(len(tokens))
        share = positive_share(data.training.targets)
        loss = build_loss(settings.loss, share, settings.weight_power).to(accelerator.device)
        model = accelerator.prepare(encoder.model)
        # After the model has moved to its device, and over its own parameters: accelerate wraps none of it.
        optimizer = build_adamw(
            encoder.model,
            weight_decay=settings.weight_decay,
            betas=(settings.adam_beta1, settings.adam_beta2),
            epsilon=settings.adam_epsilon,
        )
        plan = Plan(
            epochs=settings.epochs,
            shape=shape,
            schedule=linear_schedule(settings.learning_rate, settings.warmup_fraction, num_steps),
            max_gradient_norm=settings.max_gradient_norm,
            seed=recipe.seed,
            group_by_length=settings.group_by_length,
        )
        trainer = Trainer(
            accelerator,
            model,
            optimizer,
            MixedPrecision.of(precision, device),
            TrainingData(tokens, data.training.targets),
            loss,
            plan,
        )
        checks += agreed(checks_of_the_run(recipe, data, encoder, tokens, plan, loss))
        return cls(recipe, run, accelerator, encoder, trainer, validation_tokens, data, tuple(checks))

    def planned(self) -> RunPlanned:
        """Return what is about to happen."""
        plan, tokens, data = self.trainer.plan, self.trainer.data.tokens, self.data
        settings = self.recipe.training
        loss = self.trainer.loss
        weighs_positives = settings.loss == "pos_weight_bce"
        weights = loss.positive_weights if weighs_positives else loss.label_weights
        return RunPlanned(
            num_training=len(data.training),
            num_validation=len(data.validation),
            labels=data.training.labels,
            notes=data.notes,
            model=self.recipe.model.name,
            num_parameters=self.encoder.num_parameters,
            head_is_new=self.encoder.head_is_new,
            share_truncated=tokens.num_truncated / len(tokens),
            device=describe_device(self.trainer.precision.device, self.accelerator.num_processes),
            precision=self.trainer.precision.name,
            epochs=plan.epochs,
            steps_per_epoch=plan.shape.num_steps(len(tokens)),
            global_batch=plan.shape.global_size,
            loss=settings.loss,
            loss_weights=dict(zip(data.training.labels, weights.tolist(), strict=True)),
            path=self.run.path,
        )

    def start_on_disk(self, command: Sequence[str], tracker: str) -> None:
        """Make the run directory, and write what was asked and on what it runs; start the tracker."""
        if self.accelerator.is_main_process:
            self.run.create()
            self.run.write_recipe(self.recipe.to_toml())
            self.run.write_environment(self._environment(command))
        if tracker:
            self.accelerator.init_trackers("civility", config=self.recipe.flat())

    def _environment(self, command: Sequence[str]) -> dict[str, Any]:
        data = self.data
        parts = {
            "training": (data.training, data.files),
            "validation": (data.validation, data.validation_files),
        }
        return {
            "command": list(command),
            **describe_environment(),
            "device": describe_device(self.trainer.precision.device, 1),
            "precision": self.trainer.precision.name,
            "num_processes": self.accelerator.num_processes,
            "checks": [asdict(check) for check in self.checks],
            "data": {
                name: {"files": list(files), "num_comments": len(dataset), "digest": dataset.digest}
                for name, (dataset, files) in parts.items()
            },
        }

    def facts(self, tell: Listener) -> Iterator[StepDone | EpochDone | Warned]:
        """Yield the facts of the training loop, and warnings where it looks as if nothing was learned.

        Raises
        ------
        UserError : the loss or a gradient is not finite: with the comments' ids and the last good checkpoint
        """
        schedule = self.trainer.plan.schedule
        loss_watch = LossWatch(schedule.num_steps, schedule.num_warmup_steps)
        try:
            for fact in self.trainer.run(lambda: self.validate(tell)):
                if isinstance(fact, StepDone):
                    warning = loss_watch.see(fact.step, fact.loss)
                else:
                    warning = watch_scores(fact.step, self.logits, self.data.validation.labels)
                if warning is not None:
                    yield warning
                yield fact
        except NotFinite as error:
            kept = self.run.checkpoint_folders()
            raise explain_not_finite(error, self.data.training.ids, kept[-1] if kept else None) from error

    def validate(self, tell: Listener) -> Validation:
        """Score the validation comments on all processes, and measure them on each."""
        dataset = self.data.validation
        tell(ValidationStarted(self.trainer.progress.epoch, len(dataset)))
        self.logits = score_everywhere(
            self.accelerator,
            self.trainer.model,
            self.validation_tokens,
            len(dataset.labels),
            self.recipe.evaluation.tokens_per_batch,
            lambda num_comments: tell(ValidationScored(num_comments)),
        )
        return measure_validation(self.logits, dataset.targets, self.trainer.loss, dataset.labels)

    def log(self, line: dict[str, Any], step: int) -> None:
        """Write a line of the metrics log, and give its numbers to the tracker."""
        if self.accelerator.is_main_process:
            self.run.log_metrics(line)
        self.accelerator.log(_tracker_values(line, f"{line['kind']}/"), step=step)

    def save_checkpoint(self, step: int, is_best: bool) -> None:
        """Write a checkpoint, and keep only this one and the best."""
        if is_best:
            self.best_step, self.best_logits = step, self.logits
        if not self.accelerator.is_main_process:
            return
        save_checkpoint(
            self.run.checkpoint(step),
            self.accelerator.unwrap_model(self.trainer.model),
            self.trainer.optimizer,
            self.trainer.precision.scaler,
            self.trainer.progress,
        )
        for folder in self.run.checkpoint_folders():
            if folder not in (self.run.checkpoint(step), self.run.checkpoint(self.best_step)):
                shutil.rmtree(folder)

    def finish(self, stopping: EarlyStopping) -> Report | None:
        """Put the best epoch's classifier and its report in place; None on all processes but the first."""
        if not self.accelerator.is_main_process:
            return None
        load_weights(self.run.checkpoint(self.best_step), self.encoder.model)
        classifier = Classifier(self.encoder, self.recipe.scoring_length)
        # The logits that chose the epoch are, to the bit, what the classifier computes: no need to score again.
        scores = torch.sigmoid(torch.from_numpy(self.best_logits)).numpy()
        report = Report.measure(self.data.validation, scores, self.data.validation_files)
        with write_folder(self.run.classifier) as folder:
            classifier.save(folder, model_card(self._card(stopping), report))
        write_report(report, self.run.reports, OWN_REPORT, VALIDATION_NOTE)
        return report

    def _card(self, stopping: EarlyStopping) -> CardFacts:
        data = self.data
        targets = data.training.targets
        positives = (targets >= POSITIVE_FROM).sum(axis=0).tolist()
        known = (~np.isnan(targets)).sum(axis=0).tolist()
        return CardFacts(
            name=self.run.path.name,
            base_model=public_name(self.recipe.model.name),
            recipe=self.recipe.to_toml(),
            num_training=len(data.training),
            counts=dict(zip(data.training.labels, zip(positives, known, strict=True), strict=True)),
            training_digest=data.training.digest,
            training_files=data.files,
            max_length=self.recipe.scoring_length,
            best_epoch=stopping.best_epoch,
            epochs_run=stopping.last_epoch,
            versions=library_versions(),
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
