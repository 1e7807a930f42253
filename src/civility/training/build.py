"""Build a run from its recipe: devices, tokens, model, trainer and preflight checks. Writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from civility.data.prepare import PreparedData
from civility.engine.devices import (
    MixedPrecision,
    choose_device,
    choose_precision,
    give_back_memory,
    processes_here,
    smallest_everywhere,
    start_accelerator,
    use_deterministic_kernels,
)
from civility.engine.hardware import device_memory, num_cores
from civility.engine.loop import Trainer
from civility.engine.threads import Threads, settle_threads, use_threads
from civility.engine.validation import EarlyStopping
from civility.engine.watch import LossWatch
from civility.errors import UserError
from civility.models.encoder import Encoder, load_config, load_encoder
from civility.models.model_size import ModelSize
from civility.recipe import Recipe
from civility.run import RunDirectory
from civility.training.build_optimizer import refuse_optimizer_conflicts, why_whole_embedding
from civility.training.build_regularizers import refuse_regularizer_conflicts
from civility.training.build_tokens import RunTokens, tokenise_comments
from civility.training.build_trainer import build_trainer
from civility.training.device_batch import fit_to_memory
from civility.training.events import Listener, RunChecked, Speed
from civility.training.preflight import (
    Check,
    agreed,
    checks_before_loading,
    checks_by_trying,
    checks_of_the_run,
    checks_of_the_tokens,
    refuse_failed,
)
from civility.training.resume import EarlierChoices


@dataclass(eq=False)
class RunParts:
    """What is made from a recipe, in one process.

    Parameters
    ----------
    emit : called with each event; does nothing except on the first process
    checks : the outcome of the preflight checks
    threads : that the CPU computes with; None on other devices
    fitted : how the micro-batch was chosen; empty if it is the recipe's
    best_step : optimizer steps at the end of the best epoch so far; 0 before the first
    """

    recipe: Recipe
    data: PreparedData
    run: RunDirectory
    accelerator: Any
    encoder: Encoder
    trainer: Trainer
    speed: Speed
    tokens: RunTokens
    emit: Listener
    checks: tuple[Check, ...]
    threads: Threads | None
    fitted: str
    stopping: EarlyStopping
    loss_watch: LossWatch
    best_step: int = 0


def build_run(
    recipe: Recipe,
    data: PreparedData,
    run: RunDirectory,
    *,
    tracker: str = "",
    earlier: EarlierChoices = EarlierChoices(),  # noqa: B008 - it is frozen
    listen: Listener = lambda event: None,
) -> RunParts:
    """Check what can be checked, load the model, tokenise the comments and move everything to its device.

    Writes nothing but tokens to their cache.

    Parameters
    ----------
    recipe, data, run : what to train, on which comments, and where
    tracker : as of `civility.training.train_run.train`
    earlier : what the run to resume has chosen
    listen : called with each event

    Raises
    ------
    UserError : a preflight check failed, settings conflict, or the model cannot be loaded
    """
    asked_to_fit, recipe = recipe.training.fit, earlier.keep_fit(recipe)
    accelerator, precision, threads = start_devices(recipe, run, tracker, earlier.threads)
    emit: Listener = listen if accelerator.is_main_process else lambda event: None
    tokens = tokenise_comments(recipe, data, accelerator)
    encoder, checks = _check_and_load(recipe, data, run, tokens, accelerator, precision, emit)
    trainer, speed = build_trainer(recipe, data, tokens, encoder, accelerator, precision, earlier.global_size)
    checks += agreed(checks_by_trying(tokens.tokenizer, trainer))
    _refuse_at_once(checks, emit)
    fitted = "as before: a resumed run keeps its micro-batch" if asked_to_fit else ""
    if recipe.training.fit:
        give_back_memory()  # of the self-test: it counts as used
        recipe, fitted, memory = fit_to_memory(recipe, trainer, device_memory(precision.device))
        checks = [memory if check.name == memory.name else check for check in checks]
    checks += agreed(checks_of_the_run(recipe, data, encoder, trainer))
    return RunParts(
        recipe=recipe,
        data=data,
        run=run,
        accelerator=accelerator,
        encoder=encoder,
        trainer=trainer,
        speed=speed,
        tokens=tokens,
        emit=emit,
        checks=tuple(checks),
        threads=threads,
        fitted=fitted,
        stopping=EarlyStopping(recipe.training.patience, min_gain=recipe.training.min_gain),
        loss_watch=loss_watch_of(trainer),
    )


def loss_watch_of(trainer: Trainer) -> LossWatch:
    """Return what warns of a loss that rises or does not fall, for the schedule of a trainer."""
    return LossWatch(trainer.plan.schedule.num_steps, trainer.plan.schedule.num_warmup_steps)


def start_devices(
    recipe: Recipe, run: RunDirectory, tracker: str, threads_before: int
) -> tuple[Any, MixedPrecision, Threads | None]:
    """Start accelerate on the recipe's device; choose the precision and, on a CPU, the number of threads.

    Parameters
    ----------
    recipe, run : of the run
    tracker : name of a tracker, or empty
    threads_before : of the run to resume; 0 for a new one

    Raises
    ------
    UserError : the hardware does not have what is asked for
    """
    settings = recipe.training
    if settings.deterministic:
        use_deterministic_kernels()
    device = choose_device(settings.device)
    precision = MixedPrecision.of(choose_precision(settings.precision, device), device)
    accelerator = start_accelerator(device, [tracker] if tracker else [], str(run.trackers))
    return accelerator, precision, _start_threads(recipe, accelerator, threads_before) if device == "cpu" else None


def _start_threads(recipe: Recipe, accelerator: Any, before: int) -> Threads:
    num_here = processes_here(accelerator.num_processes)
    threads = settle_threads(
        recipe.training.threads,
        max(1, num_cores() // num_here),
        before,
        # A probe may find another number next time, and a deterministic run must not differ.
        probes=not recipe.training.deterministic,
        num_processes=num_here,
    )
    return use_threads(threads, smallest_everywhere(threads.num, accelerator.device))


def _check_and_load(
    recipe: Recipe,
    data: PreparedData,
    run: RunDirectory,
    tokens: RunTokens,
    accelerator: Any,
    precision: MixedPrecision,
    emit: Listener,
) -> tuple[Encoder, list[Check]]:
    """Run the checks that need no weights, then load the model; return it and the outcome of the checks.

    A machine that is too small is reported here; while the weights are loaded, the system would kill the process.
    """
    name, revision, settings = recipe.model.name, recipe.model.revision or None, recipe.training
    refuse_regularizer_conflicts(recipe)
    refuse_optimizer_conflicts(recipe)
    config = load_config(name, revision)
    size = ModelSize.of(config, len(data.training.labels)).training(
        rows_in_use=len(tokens.in_use) if settings.vocabulary_in_use and not why_whole_embedding(recipe) else None,
        freezes_embeddings=settings.freeze_embeddings,
        num_frozen_layers=settings.freeze_layers,
        optimizer=settings.optimizer,
    )
    found = checks_before_loading(recipe, data, run.path, size, config, precision, accelerator.num_processes)
    found += checks_of_the_tokens(tokens.tokenizer, tokens.training, size.vocabulary)
    checks = agreed(found)
    _refuse_at_once(checks, emit)
    encoder = load_encoder(name, data.training.labels, revision=revision, seed=recipe.seed, tokenizer=tokens.tokenizer)
    for setting, length in (("data", recipe.data.max_length), ("evaluation", recipe.evaluation.max_length)):
        if length > encoder.longest_text:
            raise UserError(
                "training.max-length",
                f"{name} takes at most {encoder.longest_text} tokens",
                where=f"{setting}.max_length = {length}",
                remedy=f"--set {setting}.max_length={encoder.longest_text}",
            )
    return encoder, checks


def _refuse_at_once(checks: Sequence[Check], emit: Listener) -> None:
    """Show all checks so far and raise a UserError if one failed; else return, to show them with the later ones."""
    if any(check.state == "failed" for check in checks):
        emit(RunChecked(tuple(checks), in_full=True))
    refuse_failed(checks)
