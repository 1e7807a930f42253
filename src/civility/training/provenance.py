"""What a run says of itself: to its environment file, its checkpoints, its model card, and its listener."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

from civility.data.dataset import Dataset, count_targets
from civility.data.prepare import PreparedData
from civility.documents.run_environment import (
    RecordedCheck,
    RecordedComments,
    RecordedData,
    RecordedThreads,
    RunEnvironment,
)
from civility.engine.devices import describe_device
from civility.engine.early_stopping import EarlyStopping
from civility.engine.loop import Trainer
from civility.engine.threads import Threads
from civility.models.encoder import Encoder, settings_of
from civility.models.model_source import public_name
from civility.models.vocabulary import num_rows
from civility.plain_text import one_line
from civility.recipe import Recipe
from civility.recipe.settings import TrainingSettings
from civility.render.markdown.model_card import CardFacts
from civility.run import RunDirectory
from civility.run.versions import describe_environment, library_versions
from civility.scoring.tokens import Tokens
from civility.training.events import RunPlanned, Speed
from civility.training.preflight import Check
from civility.training.resume import describe_run


def environment(session: Mapping[str, Any], data: PreparedData, checks: Sequence[Check]) -> RunEnvironment:
    """Return the record of a new run.

    Of the training comments, the record has those that were read: they can be read again, unlike augmented ones.

    Parameters
    ----------
    session : the fields of a `SessionFacts`
    data : the comments
    checks : the outcome of the preflight checks
    """
    read = data.training if data.original is None else data.original
    return RunEnvironment(
        **session,
        checks=tuple(RecordedCheck(**asdict(check)) for check in checks),
        data=RecordedData(
            training=RecordedComments.of(read, data.files),
            validation=RecordedComments.of(data.validation, data.validation_files),
        ),
    )


def session_facts(command: Sequence[str], trainer: Trainer, threads: Threads | None) -> dict[str, Any]:
    """Return what may differ between the first session of a run and those that resume it: fields of `SessionFacts`."""
    return {
        **describe_environment(command),
        "device": describe_device(trainer.precision.device, 1),
        "threads": RecordedThreads(num=threads.num, why=threads.why, is_busy=threads.is_busy) if threads else None,
        "precision": trainer.precision.name,
        "num_processes": trainer.accelerator.num_processes,
    }


def checkpoint_facts(recipe: Recipe, data: PreparedData, trainer: Trainer, validation_tokens: Tokens) -> dict[str, Any]:
    """Return what a checkpoint says of its run, so that another one is not taken for it."""
    digests = {
        "training": data.training.digest,
        "validation": data.validation.digest,
        "training_comments": _digest_without_ids(data.training),
        "validation_comments": _digest_without_ids(data.validation),
        "tokens": trainer.data.tokens.digest,
        "validation_tokens": validation_tokens.digest,
        "model": _digest_of_settings(trainer.model.config),
        "embedding": trainer.vocabulary.digest if trainer.vocabulary else "",
    }
    circumstances = {
        "the number of processes": trainer.accelerator.num_processes,
        "the micro-batch": recipe.training.batch_size,
        "the device": describe_device(trainer.precision.device, 1),
        "the precision": trainer.precision.name,
        "the forward pass": trainer.forward.name,
        "the processor": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "transformers": library_versions()["transformers"],
    }
    return describe_run(recipe, digests, circumstances)


def _digest_without_ids(dataset: Dataset) -> str:
    """Return the digest of texts and targets, which a renamed file keeps; nothing where groups matter too."""
    return "" if dataset.group_names else dataset.comments_digest


def _digest_of_settings(config: Any) -> str:
    """Return a sha256 of a model's settings."""
    settings = settings_of(config)
    return f"sha256:{hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()}"


def planned(
    recipe: Recipe, data: PreparedData, encoder: Encoder, trainer: Trainer, speed: Speed, run: RunDirectory
) -> RunPlanned:
    """Return what is about to happen."""
    settings, tokens, loss, labels = recipe.training, trainer.data.tokens, trainer.loss, data.training.labels
    weights = loss.positive_weights if settings.loss == "pos_weight_bce" else loss.label_weights
    return RunPlanned(
        num_training=len(data.training),
        num_validation=len(data.validation),
        labels=labels,
        notes=data.notes,
        added=data.added,
        model=recipe.model.name,
        num_parameters=encoder.num_parameters,
        num_embeddings=num_rows(encoder.model),
        speed=speed,
        head_is_new=encoder.head_is_new,
        share_truncated=tokens.num_truncated / len(tokens),
        device=describe_device(trainer.precision.device, trainer.accelerator.num_processes),
        precision=trainer.precision.name,
        epochs=trainer.plan.epochs,
        steps_per_epoch=trainer.shape.num_steps(len(tokens)),
        global_batch=trainer.shape.global_size,
        loss=settings.loss,
        loss_weights=dict(zip(labels, weights.tolist(), strict=True)),
        path=run.path,
        metric=settings.metric,
        steps_by=_steps_by(settings),
    )


def _steps_by(settings: TrainingSettings) -> str:
    """Name optimiser and schedule, where they are not AdamW and linear."""
    optimizer = settings.optimizer.replace("_", "-") if settings.optimizer != "adamw" else ""
    schedule = f"{settings.schedule.replace('_', '-')} schedule" if settings.schedule != "linear" else ""
    return " · ".join(filter(None, (optimizer, schedule)))


def card(
    recipe: Recipe, data: PreparedData, run: RunDirectory, stopping: EarlyStopping, not_in_weights: tuple[str, ...]
) -> CardFacts:
    """Return the facts of a run for its model card.

    Parameters
    ----------
    recipe, data, run, stopping : of the run
    not_in_weights : labels whose calibration transformers does not apply
    """
    return CardFacts(
        name=one_line(run.path.name),
        base_model=public_name(recipe.model.name),
        recipe=recipe.to_toml(),
        num_training=len(data.training),
        counts=counts_of(data.training),
        training_digest=data.training.digest,
        training_files=data.files,
        max_length=recipe.scoring_length,
        best_epoch=stopping.best_epoch,
        epochs_run=stopping.last_epoch,
        versions=library_versions(),
        not_in_weights=not_in_weights,
    )


def counts_of(dataset: Dataset) -> dict[str, tuple[int, int]]:
    """Return, by label, the comments that are positive, and those whose target is known."""
    positive, known = (counts.tolist() for counts in count_targets(dataset.targets))
    return dict(zip(dataset.labels, zip(positive, known, strict=True), strict=True))
