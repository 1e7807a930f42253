"""Build a run from its recipe, with its preflight checks: devices, tokens, model, trainer.

Writes nothing into the run directory; tokens go to their cache.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from civility.data.prepare import PreparedData
from civility.documents.run_environment import RecordedThreads
from civility.engine import devices
from civility.engine.devices import (
    MixedPrecision,
)
from civility.engine.hardware import device_memory, num_cores
from civility.engine.loop import Trainer
from civility.engine.threads import Threads, settle_threads, use_threads
from civility.engine.validation import EarlyStopping
from civility.engine.watch import LossWatch
from civility.errors import UserError
from civility.models.encoder import Encoder, label_names, load_config, load_encoder
from civility.models.model_size import ModelSize
from civility.models.vocabulary import num_rows
from civility.recipe import Recipe
from civility.recipe.settings import TrainingSettings
from civility.render.sentences.plan_sentences import device_words, threads_words
from civility.run import Begin, RunDirectory
from civility.training.build_optimizer import refuse_conflicts, why_whole_embedding
from civility.training.build_trainer import RunTokens, build_trainer, tokenise_comments
from civility.training.device_batch import fit_to_memory
from civility.training.events import Listener, RunChecked, RunPlanned, Speed
from civility.training.preflight import Check, model_checks, of_first_process, refuse_failed
from civility.training.preflight.data_checks import checks_of_the_comments
from civility.training.preflight.machine_checks import checks_of_the_machine
from civility.training.preflight.plan_checks import check_effect, checks_of_the_plan
from civility.training.resume import EarlierChoices, earlier_choices


@dataclass(eq=False)
class Job:
    """What `civility.training.train_run.train` is asked to do; ``emit`` is called with each event."""

    recipe: Recipe
    data: PreparedData
    run: RunDirectory
    command: Sequence[str] = ()
    tracker: str = ""
    begin: Begin = "new"
    profiles: bool = False
    emit: Listener = lambda event: None


@dataclass(eq=False, kw_only=True)
class RunParts(Job):
    """A job, and what is made from its recipe, in one process; only the first emits events.

    Parameters
    ----------
    checks : the outcome of the preflight checks
    threads : that the CPU computes with; None on other devices
    fitted : how the micro-batch was chosen; empty if it is the recipe's
    """

    accelerator: Any
    encoder: Encoder
    trainer: Trainer
    speed: Speed
    tokens: RunTokens
    checks: tuple[Check, ...]
    threads: Threads | None
    fitted: str
    stopping: EarlyStopping
    loss_watch: LossWatch


def build_run(job: Job) -> RunParts:
    """Check what can be checked, load the model, tokenise the comments and move everything to its device.

    Writes nothing into the run directory; tokens go to their cache.

    Raises
    ------
    UserError : a preflight check failed, settings conflict, or the model cannot be loaded
    """
    # Before the weights: a machine that is too small or comments that cannot train are reported without loading them.
    earlier = earlier_choices(job.run) if job.begin == "resume" else EarlierChoices()
    asked_to_fit, recipe, data = job.recipe.training.fit, earlier.keep_fit(job.recipe), job.data
    accelerator, precision, threads = start_devices(recipe, job.run, job.tracker, earlier.threads)
    job = replace(job, recipe=recipe, emit=job.emit if accelerator.is_main_process else lambda event: None)
    tokens = tokenise_comments(recipe, data, accelerator)
    encoder, checks = _check_and_load(job, tokens, accelerator, precision)

    # With the model. The trial step comes before --fit, which tries the same on a GPU and would end in an error that
    # the trial step explains.
    trainer, speed = build_trainer(recipe, data, tokens, encoder, accelerator, precision, earlier)
    checks += of_first_process(model_checks.checks_by_trying(tokens.tokenizer, trainer))
    _refuse_at_once(checks, job.emit)
    fitted = "as before: a resumed run keeps its micro-batch" if asked_to_fit else ""
    if recipe.training.fit:
        devices.give_back_memory()  # of the self-test: it counts as used
        recipe, fitted, memory = fit_to_memory(recipe, trainer, device_memory(precision.device))
        checks = [memory if check.name == memory.name else check for check in checks]

    # With the micro-batch that fits. The checks of the plan come last, since padding depends on it.
    labels = data.training.labels
    of_the_plan = checks_of_the_plan(recipe, labels, encoder.longest_text, trainer)
    checks += of_first_process(model_checks.checks_of_the_model(encoder.model, labels) + of_the_plan)
    return RunParts(
        **vars(replace(job, recipe=recipe)),
        accelerator=accelerator,
        encoder=encoder,
        trainer=trainer,
        speed=speed,
        tokens=tokens,
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

    ``threads_before`` are those of the run to resume; 0 for a new one.

    Raises
    ------
    UserError : the hardware does not have what is asked for
    """
    settings = recipe.training
    if settings.deterministic:
        devices.use_deterministic_kernels()
    device = devices.choose_device(settings.device)
    precision = MixedPrecision.of(devices.choose_precision(settings.precision, device), device)
    accelerator = devices.start_accelerator(device, [tracker] if tracker else [], str(run.trackers))
    return accelerator, precision, _start_threads(recipe, accelerator, threads_before) if device == "cpu" else None


def _start_threads(recipe: Recipe, accelerator: Any, before: int) -> Threads:
    num_here = devices.processes_here(accelerator.num_processes)
    threads = settle_threads(
        recipe.training.threads,
        max(1, num_cores() // num_here),
        before,
        # A probe may find another number next time, and a deterministic run must not differ.
        probes=not recipe.training.deterministic,
        num_processes=num_here,
    )
    return use_threads(threads, devices.smallest_everywhere(threads.num, accelerator.device))


def _check_and_load(
    job: Job, tokens: RunTokens, accelerator: Any, precision: MixedPrecision
) -> tuple[Encoder, list[Check]]:
    """Run the checks that need no weights, then load the model; return it and the outcome of the checks.

    A machine that is too small is reported here; while the weights are loaded, the system would kill the process.
    """
    recipe, training = job.recipe, job.data.training
    name, revision, settings = recipe.model.name, recipe.model.revision or None, recipe.training
    refuse_conflicts(recipe)
    config = load_config(name, revision)
    size = ModelSize.of(config, len(training.labels)).training(
        rows_in_use=len(tokens.in_use) if settings.vocabulary_in_use and not why_whole_embedding(recipe) else None,
        freezes_embeddings=settings.freeze_embeddings,
        num_frozen_layers=settings.freeze_layers,
        optimizer=settings.optimizer,
    )
    num_processes = accelerator.num_processes
    checks = of_first_process(
        [
            *checks_of_the_machine(recipe, len(training), job.run.path, size, config, precision, num_processes),
            *checks_of_the_comments(recipe.data.labels, training, job.data.validation),
            model_checks.check_head(label_names(name, config), config.problem_type, training.labels),
            *check_effect(recipe),
            *model_checks.checks_of_the_tokens(tokens.tokenizer, tokens.training, size.vocabulary),
        ]
    )
    _refuse_at_once(checks, job.emit)
    encoder = load_encoder(name, training.labels, revision=revision, seed=recipe.seed, tokenizer=tokens.tokenizer)
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


def planned(parts: RunParts) -> RunPlanned:
    """Return the event that describes a run before its first step."""
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
        device=device_words(devices.recorded_device(trainer.precision.device), trainer.accelerator.num_processes),
        precision=trainer.precision.name,
        epochs=trainer.plan.epochs,
        steps_per_epoch=trainer.shape.num_steps(len(tokens)),
        global_batch=trainer.shape.global_size,
        loss=settings.loss,
        loss_weights=dict(zip(labels, weights.tolist(), strict=True)),
        path=parts.run.path,
        metric=settings.metric,
        steps_by=_steps_by(settings),
        threads=threads_words(RecordedThreads(**asdict(parts.threads))) if parts.threads else "",
        fitted=parts.fitted,
    )


def _steps_by(settings: TrainingSettings) -> str:
    """Name the optimizer and the schedule unless they are AdamW and linear."""
    optimizer = settings.optimizer.replace("_", "-") if settings.optimizer != "adamw" else ""
    schedule = f"{settings.schedule.replace('_', '-')} schedule" if settings.schedule != "linear" else ""
    return " · ".join(filter(None, (optimizer, schedule)))
