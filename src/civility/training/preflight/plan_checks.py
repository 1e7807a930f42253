"""Preflight checks of the training plan: truncation, padding, schedule, optimizer, loss weights, unused settings."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from civility.arrays import Targets
from civility.audit.counts import truncated_share_by_label
from civility.engine.loop import Trainer
from civility.engine.step_plan import BatchShape, Schedule, epoch_order, micro_batches
from civility.models.dropout import has_dropout
from civility.models.forward_paths import EagerForward
from civility.plain_text import count
from civility.recipe import Recipe
from civility.recipe.settings import RegularizationSettings
from civility.scoring.tokens import Tokens
from civility.training.build_optimizer import FLOAT_BYTES
from civility.training.preflight import Check, outcome
from civility.training.preflight.machine_checks import gib

_MOST_TRUNCATED = 0.2
_MUCH_MORE_THAN_ALL, _WORTH_TELLING = 3.0, 0.05
_MOST_PADDING = 0.25
_STEPS_LOOKED_AT = 2_000
_FEWEST_STEPS = 50
_SMALLEST_SHARE = 1e-4
_MOST_UNEVEN, _LARGEST_PART = 100.0, 0.6
_ROOT = "--set training.weight_power=0.5 takes the root of the weights"


def checks_of_the_plan(recipe: Recipe, labels: Sequence[str], longest_text: int, trainer: Trainer) -> list[Check]:
    """Check the training plan; ``longest_text`` is the most tokens that the model takes."""
    settings, plan, shape, loss = recipe.training, trainer.plan, trainer.shape, trainer.loss
    tokens, targets, model = trainer.data.tokens, trainer.data.targets, trainer.model
    if settings.loss == "pos_weight_bce":
        weights = check_positive_weights(loss.positive_weights.double().cpu().numpy(), labels)
    else:
        weights = check_label_weights(loss.label_weights.double().cpu().numpy(), labels)
    return [
        check_truncation(tokens, targets, labels, recipe.data.max_length, longest_text),
        check_padding(
            tokens.lengths,
            shape,
            plan.seed,
            group_by_length=plan.group_by_length,
            packed=not isinstance(trainer.forward, EagerForward),
        ),
        check_schedule(plan.schedule, shape, len(tokens), plan.epochs, settings.warmup_fraction),
        *check_optimizer(settings.optimizer, plan.schedule),
        weights,
        *check_regularization(
            recipe.regularization,
            sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
            drops=has_dropout(model),
        ),
    ]


def check_truncation(tokens: Tokens, targets: Targets, labels: Sequence[str], max_length: int, longest: int) -> Check:
    """Warn if many comments are truncated, or those of one label much more often than others.

    ``max_length`` is in tokens; the model takes at most ``longest``.
    """
    share = tokens.num_truncated / max(1, len(tokens))
    measured = truncated_share_by_label(targets, tokens.truncated)
    by_label = [one.num_truncated / max(1, one.num_measured) for one in measured]
    worst = int(np.argmax(by_label))
    most = by_label[worst]
    found = f"{share:.1%} of the comments are truncated at {max_length} tokens"
    if most:
        found += f", of {labels[worst]} {most:.1%}"
    uneven = most > max(_MUCH_MORE_THAN_ALL * share, _WORTH_TELLING)
    longer = min(2 * max_length, longest)
    remedy = f"{longest} is the most that this model can read: choose one for longer texts"
    if longer > max_length:
        remedy = f"--set data.max_length={longer} reads more of them, and takes longer"
    return outcome("truncation", found, remedy, warns=max(share, most) > _MOST_TRUNCATED or uneven)


def check_padding(
    lengths: npt.NDArray[np.int64], shape: BatchShape, seed: int, *, group_by_length: bool, packed: bool
) -> Check:
    """Warn if a large part of the batches would be padding.

    ``lengths``: (N,) tokens of the training comments; ``packed``: the forward pass takes texts without padding.
    """
    if packed:
        return outcome("padding", "none: the forward pass takes texts one after the other")
    steps = epoch_order(lengths, shape.global_size, seed, 0, group_by_length)[:_STEPS_LOOKED_AT]
    num_tokens = num_padded = 0
    for rows in steps:
        for rank in range(shape.num_processes):
            for part in micro_batches(rows, shape, rank):
                here = lengths[part]
                num_tokens += int(here.sum())
                num_padded += int(here.max()) * len(part) if len(part) else 0
    share = 1 - num_tokens / max(1, num_padded)
    remedy = "--set training.group_by_length=true puts comments of like length together"
    if group_by_length:
        remedy = "use a smaller training.batch_size with more training.gradient_accumulation"
    return outcome("padding", f"{share:.1%} of the tokens in a batch", remedy, warns=share > _MOST_PADDING)


def check_schedule(
    schedule: Schedule, shape: BatchShape, num_comments: int, epochs: int, warmup_fraction: float
) -> Check:
    """Fail unless the learning rate reaches its peak, and its end with the last step; warn of very few steps.

    ``warmup_fraction`` is of all steps, as asked for.
    """
    num_steps = shape.num_steps(num_comments) * epochs
    places = (0, schedule.num_warmup_steps, num_steps - 1, num_steps)
    first, peak, last, end = map(schedule.learning_rate, places)
    found = (
        f"{count(num_steps, 'step')} of {shape.global_size:,} comments; learning rate {first:.3g} → "
        f"{peak:.3g} at step {schedule.num_warmup_steps + 1:,} → {last:.2g} → {end:.2g}"
    )
    if schedule.num_steps != num_steps:
        found = f"the schedule ends at step {schedule.num_steps:,}, training at step {num_steps:,}; {found}"
    no_warmup = warmup_fraction > 0 and not schedule.num_warmup_steps
    if no_warmup:
        found += f"; warm-up of {warmup_fraction:.1%} is less than a step"
    all_warmup = schedule.num_warmup_steps >= num_steps
    if all_warmup:
        found += f"; the warm-up of {count(schedule.num_warmup_steps, 'step')} leaves nothing of the run"
    remedy = "so few steps hardly train: more training.epochs, or a smaller training.batch_size"
    if all_warmup:
        remedy = "--set training.warmup_steps=0 warms up over training.warmup_fraction of the steps"
    fails = schedule.num_steps != num_steps or end != schedule.final or peak != schedule.peak or all_warmup
    return outcome("schedule", found, remedy, fails=fails, warns=num_steps < _FEWEST_STEPS or no_warmup)


def check_optimizer(name: str, schedule: Schedule) -> list[Check]:
    """Report what the learning rate means to the optimizer, and warn if it is unusual; empty for AdamW."""
    rate = f"{schedule.peak:.3g}"
    if name == "adafactor":
        found = f"Adafactor: a step is at most {rate} of each parameter's root mean square"
        remedy = "so small a share hardly trains: --set training.learning_rate=1e-3 is usual"
        return [outcome("optimizer", found, remedy, warns=schedule.peak < _SMALLEST_SHARE)]
    if name == "schedule_free":
        found = f"schedule-free AdamW: at {rate} to the end, and the mean of the weights is validated"
        remedy = "its authors never go without a warm-up: --set training.warmup_fraction=0.1"
        return [outcome("optimizer", found, remedy, warns=not schedule.num_warmup_steps)]
    if name == "muon":
        return [outcome("optimizer", f"Muon for the layers' matrices, with steps as large as AdamW's at {rate}")]
    return []


def check_label_weights(weights: npt.NDArray[np.float64], labels: Sequence[str]) -> Check:
    """Warn if one label dominates the loss, by the factors (L,) on each: inverse frequency favours rare labels."""
    heaviest, lightest = int(np.argmax(weights)), int(np.argmin(weights))
    ratio, part = float(weights[heaviest] / weights[lightest]), float(weights[heaviest] / weights.sum())
    found = "every label weighs the same"
    if ratio > 1:
        found = f"{labels[heaviest]} weighs {ratio:.3g} times as much as {labels[lightest]}, {part:.0%} of the whole"
    warns = ratio > _MOST_UNEVEN or (part > _LARGEST_PART and len(labels) > 1)
    return outcome("loss weights", found, _ROOT, fails=not np.isfinite(weights).all(), warns=warns)


def check_positive_weights(weights: npt.NDArray[np.float64], labels: Sequence[str]) -> Check:
    """Warn if a positive comment counts as much as hundreds of negative ones, by the factors (L,) on each label."""
    heaviest = int(np.argmax(weights))
    most = float(weights[heaviest])
    found = f"a positive comment counts up to {most:.3g} times as much as a negative one ({labels[heaviest]})"
    return outcome("loss weights", found, _ROOT, fails=not np.isfinite(weights).all(), warns=most > _MOST_UNEVEN)


def check_regularization(settings: RegularizationSettings, num_trained: int, *, drops: bool) -> list[Check]:
    """Report the time and memory that regularization costs; warn if it has no effect; empty if all is off.

    ``num_trained`` parameters include those that are unfrozen later; ``drops``: the model drops something in training.
    """
    found, remedy = [], ""
    if settings.r_drop:
        found.append("R-Drop passes every comment twice: about twice the time, and the memory of activations")
        if not drops:
            found[-1] += "; nothing is dropped, so that both passes are the same"
            remedy = "R-Drop needs dropout: raise regularization.dropout"
    if settings.adversarial != "none":
        start = max(settings.adversarial_start, settings.unfreeze_fraction)  # the embedding is unfrozen last
        from_step = f" from {start:.0%} of the steps on" if start else ""
        found.append(
            f"{settings.adversarial} takes every step twice{from_step}: about twice the time, and up to "
            f"{gib(2 * FLOAT_BYTES * num_trained)} for gradients set aside and a copy of the embedding"
        )
    if settings.average != "none":
        found.append(f"{settings.average} keeps {gib(FLOAT_BYTES * num_trained)} of averaged weights")
    if not found:
        return []
    return [outcome("regularization", "; ".join(found), remedy, warns=bool(remedy))]


def check_effect(recipe: Recipe) -> list[Check]:
    """Warn of changed settings that the run of an encoder does not read; empty if there are none."""
    own, others = recipe.flat(), Recipe().flat()
    unread = [key for key, is_read in _readers(recipe).items() if not is_read and own[key] != others[key]]
    if not unread:
        return []
    found = f"changed, and read by nothing that this recipe chooses: {', '.join(unread)}"
    remedy = "choose what reads them (docs/reference/methods.md), or leave them out"
    return [outcome("no effect", found, remedy, warns=True)]


def _readers(recipe: Recipe) -> dict[str, bool]:
    """Return, for each setting that refines another, whether the other one is on."""
    training, more, other = recipe.training, recipe.loss, recipe.regularization
    loss, schedule, optimizer = training.loss, training.schedule, training.optimizer
    may_weigh = loss in ("focal", "asymmetric")
    weighs = loss in ("weighted_bce", "pos_weight_bce") or (more.weigh_labels and may_weigh)
    readers = {
        "training.weight_power": weighs,
        "training.sampling_power": training.sampling == "class_aware",
        "data.augmentation_share": bool(recipe.data.augmentation),
        "loss.class_weights": weighs,
        "loss.effective_beta": weighs and more.class_weights == "effective_number",
        "loss.weigh_labels": may_weigh,
        "loss.focal_gamma loss.focal_alpha": loss == "focal",
        "loss.asymmetric_gamma_positive loss.asymmetric_gamma_negative loss.asymmetric_margin": loss == "asymmetric",
        "optimizer.muon_momentum optimizer.muon_iterations": optimizer == "muon",
        "optimizer.adafactor_beta2_decay optimizer.adafactor_clip": optimizer == "adafactor",
        "training.adam_beta1 training.adam_beta2 training.adam_epsilon": optimizer != "adafactor",
        "training.warmup_fraction": not training.warmup_steps,
        "schedule.power": schedule == "polynomial",
        "schedule.final_share": schedule in ("cosine", "polynomial", "one_cycle"),
        "schedule.start_share": schedule == "one_cycle",
        "regularization.ema_decay": other.average == "ema",
        "regularization.swa_start": other.average == "swa",
        " ".join(key for key in recipe.flat() if key.startswith("linear.")): recipe.is_linear,
        "regularization.adversarial_size regularization.adversarial_start": other.adversarial != "none",
    }
    return {key: is_read for keys, is_read in readers.items() for key in keys.split()}
