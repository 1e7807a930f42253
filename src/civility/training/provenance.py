"""The provenance of a run: for its environment file, checkpoints, model card and first event."""

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
from civility.engine.loop import Trainer
from civility.engine.threads import Threads
from civility.models.encoder import settings_of
from civility.models.model_source import public_name
from civility.models.vocabulary import num_rows
from civility.plain_text import one_line
from civility.recipe import Recipe
from civility.recipe.settings import TrainingSettings
from civility.render.markdown.model_card import CardFacts
from civility.run import RunDirectory
from civility.run.versions import describe_environment, library_versions
from civility.training.build import RunParts
from civility.training.events import RunPlanned
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
        "threads": RecordedThreads(**asdict(threads)) if threads else None,
        "precision": trainer.precision.name,
        "num_processes": trainer.accelerator.num_processes,
    }


def checkpoint_facts(parts: RunParts) -> dict[str, Any]:
    """Return what identifies a run in its checkpoints."""
    data, trainer = parts.data, parts.trainer
    digests = {
        "training": data.training.digest,
        "validation": data.validation.digest,
        "training_comments": _digest_without_ids(data.training),
        "validation_comments": _digest_without_ids(data.validation),
        "tokens": trainer.data.tokens.digest,
        "validation_tokens": parts.tokens.validation.digest,
        "model": _digest_of_settings(trainer.model.config),
        "embedding": trainer.vocabulary.digest if trainer.vocabulary else "",
    }
    circumstances = {
        "the number of processes": trainer.accelerator.num_processes,
        "the micro-batch": parts.recipe.training.batch_size,
        "the device": describe_device(trainer.precision.device, 1),
        "the precision": trainer.precision.name,
        "the forward pass": trainer.forward.name,
        "the CPU": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "transformers": library_versions()["transformers"],
    }
    return describe_run(parts.recipe, digests, circumstances)


def _digest_without_ids(dataset: Dataset) -> str:
    """Return the digest of texts and targets, which a renamed file keeps; empty if groups matter too."""
    return "" if dataset.group_names else dataset.comments_digest


def _digest_of_settings(config: Any) -> str:
    """Return the sha256 of a model's settings."""
    settings = settings_of(config)
    return f"sha256:{hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()}"


def planned(parts: RunParts) -> RunPlanned:
    """Return the event that describes the run before its first step."""
    recipe, data, encoder, trainer = parts.recipe, parts.data, parts.encoder, parts.trainer
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
        speed=parts.speed,
        head_is_new=encoder.head_is_new,
        share_truncated=tokens.num_truncated / len(tokens),
        device=describe_device(trainer.precision.device, trainer.accelerator.num_processes),
        precision=trainer.precision.name,
        epochs=trainer.plan.epochs,
        steps_per_epoch=trainer.shape.num_steps(len(tokens)),
        global_batch=trainer.shape.global_size,
        loss=settings.loss,
        loss_weights=dict(zip(labels, weights.tolist(), strict=True)),
        path=parts.run.path,
        metric=settings.metric,
        steps_by=_steps_by(settings),
        threads=parts.threads.why if parts.threads else "",
        fitted=parts.fitted,
    )


def _steps_by(settings: TrainingSettings) -> str:
    """Name the optimizer and the schedule unless they are AdamW and linear."""
    optimizer = settings.optimizer.replace("_", "-") if settings.optimizer != "adamw" else ""
    schedule = f"{settings.schedule.replace('_', '-')} schedule" if settings.schedule != "linear" else ""
    return " · ".join(filter(None, (optimizer, schedule)))


def card(parts: RunParts, not_in_weights: tuple[str, ...]) -> CardFacts:
    """Return the facts for the model card; ``not_in_weights``: labels whose calibration transformers does not apply."""
    return CardFacts(
        **card_of_data(parts.recipe, parts.data, parts.run),
        base_model=public_name(parts.recipe.model.name),
        max_length=parts.recipe.scoring_length,
        best_epoch=parts.stopping.best_epoch,
        epochs_run=parts.stopping.last_epoch,
        versions=library_versions(),
        not_in_weights=not_in_weights,
    )


def card_of_data(recipe: Recipe, data: PreparedData, run: RunDirectory) -> dict[str, Any]:
    """Return the fields of `CardFacts` that encoders and linear models have in common."""
    positive, known = (counts.tolist() for counts in count_targets(data.training.targets))
    return {
        "name": one_line(run.path.name),
        "recipe": recipe.to_toml(),
        "num_training": len(data.training),
        "counts": dict(zip(data.training.labels, zip(positive, known, strict=True), strict=True)),
        "training_digest": data.training.digest,
        "training_files": data.files,
    }
