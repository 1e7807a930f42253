"""The parts of a run, each made from its recipe: devices, a checked and loaded model, the trainer. Writes nothing."""

import os
from dataclasses import replace
from typing import Any

from civility.data.prepare import PreparedData
from civility.errors import UserError
from civility.model.encoder import Encoder, load_config, load_encoder
from civility.model.tokens import tokenise
from civility.recipe import Recipe
from civility.run import RunDirectory
from civility.train.doctor import Check, agreed, checks_before_loading, refuse_failed
from civility.train.facts import Listener, RunChecked
from civility.training.devices import (
    MixedPrecision,
    choose_device,
    choose_precision,
    same_weights_everywhere,
    smallest_everywhere,
    start_accelerator,
    use_deterministic_kernels,
)
from civility.training.hardware import num_cores
from civility.training.loop import Plan, Trainer, TrainingData
from civility.training.loss import build_loss, positive_share
from civility.training.optimizer import build_adamw, linear_schedule
from civility.training.order import BatchShape
from civility.training.threads import Threads, settle_threads, use_threads


def start_devices(
    recipe: Recipe, run: RunDirectory, tracker: str, threads_before: int
) -> tuple[Any, MixedPrecision, Threads | None]:
    """Start accelerate on the recipe's device; choose the precision, and on a processor the number of threads.

    ``threads_before`` is that of a run that is gone on with, 0 for a new one.

    Raises
    ------
    UserError : the hardware has not what is asked for
    """
    settings = recipe.training
    if settings.deterministic:
        use_deterministic_kernels()
    device = choose_device(settings.device)
    precision = MixedPrecision.of(choose_precision(settings.precision, device), device)
    accelerator = start_accelerator(device, [tracker] if tracker else [], str(run.trackers))
    return accelerator, precision, _start_threads(recipe, accelerator, threads_before) if device == "cpu" else None


def _start_threads(recipe: Recipe, accelerator: Any, before: int) -> Threads:
    num_here = processes_here(accelerator)
    threads = settle_threads(
        recipe.training.threads,
        max(1, num_cores() // num_here),
        before,
        # What a probe finds is another number at another time: such a run would not be the same every time.
        probes=not recipe.training.deterministic,
        num_processes=num_here,
    )
    return use_threads(threads, smallest_everywhere(threads.num, accelerator.device))


def processes_here(accelerator: Any) -> int:
    """Return how many processes share this machine's processor and main memory."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", accelerator.num_processes))


def check_and_load(
    recipe: Recipe, data: PreparedData, run: RunDirectory, accelerator: Any, precision: MixedPrecision, tell: Listener
) -> tuple[Encoder, list[Check]]:
    """Make the checks that need no weights, then load the model; return it and what was found.

    Raises
    ------
    UserError : a check failed: a machine too small is told, not killed while the weights are loaded
    """
    name, revision = recipe.model.name, recipe.model.revision or None
    config = load_config(name, revision)
    found = checks_before_loading(
        recipe, data, run.path, config, precision.device, precision.name, accelerator.num_processes
    )
    checks = agreed(found)
    if any(check.state == "failed" for check in checks):
        tell(RunChecked(tuple(checks), in_full=True))
    refuse_failed(checks)
    encoder = load_encoder(name, data.training.labels, revision=revision, seed=recipe.seed)
    for setting, length in (("data", recipe.data.max_length), ("evaluation", recipe.evaluation.max_length)):
        if length > encoder.longest_text:
            raise UserError(
                f"{setting}.max_length = {length}: {name} takes at most {encoder.longest_text} tokens",
                f"--set {setting}.max_length={encoder.longest_text}",
            )
    return encoder, checks


def build_trainer(
    recipe: Recipe,
    data: PreparedData,
    encoder: Encoder,
    accelerator: Any,
    precision: MixedPrecision,
    global_size: int | None,
) -> Trainer:
    """Tokenise the training comments, and put model, loss, optimiser and plan together on the device.

    ``global_size`` is the effective batch of a run that is gone on with: it is the run's, on whatever number of
    processes, since the schedule and the order hang on it.
    """
    settings = recipe.training
    tokens = tokenise(encoder.tokenizer, data.training.texts, recipe.data.max_length)
    shape = BatchShape.of(settings.batch_size, settings.gradient_accumulation, accelerator.num_processes)
    if global_size is not None:
        shape = replace(shape, global_size=global_size)
    share = positive_share(data.training.targets)
    loss = build_loss(settings.loss, share, settings.weight_power).to(accelerator.device)
    model = encoder.model.to(accelerator.device)
    same_weights_everywhere(model)
    # After the model has moved to its device, and over the parameters that it has there.
    optimizer = build_adamw(
        model,
        weight_decay=settings.weight_decay,
        betas=(settings.adam_beta1, settings.adam_beta2),
        epsilon=settings.adam_epsilon,
    )
    plan = plan_of(recipe, shape, len(tokens))
    return Trainer(
        accelerator, model, optimizer, precision, TrainingData(tokens, data.training.targets), loss, plan, shape
    )


def plan_of(recipe: Recipe, shape: BatchShape, num_comments: int) -> Plan:
    """Return what the loop is asked to do with so many training comments."""
    settings = recipe.training
    num_steps = settings.epochs * shape.num_steps(num_comments)
    return Plan(
        epochs=settings.epochs,
        schedule=linear_schedule(settings.learning_rate, settings.warmup_fraction, num_steps),
        max_gradient_norm=settings.max_gradient_norm,
        seed=recipe.seed,
        group_by_length=settings.group_by_length,
    )
