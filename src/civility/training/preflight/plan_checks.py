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
from civility.recipe import Recipe
from civility.recipe.settings import RegularizationSettings
from civility.scoring.tokens import Tokens
from civility.training.build_optimizer import FLOAT_BYTES
from civility.training.preflight import Check, outcome

_MOST_TRUNCATED = 0.2
_MUCH_MORE_THAN_ALL, _WORTH_TELLING = 3.0, 0.05
_MOST_PADDING = 0.25
_STEPS_LOOKED_AT = 2_000
_FEWEST_STEPS = 50
_SMALLEST_SHARE = 1e-4
_MOST_UNEVEN, _LARGEST_PART = 100.0, 0.6


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
    uneven = most > max(_MUCH_MORE_THAN_ALL * share, _WORTH_TELLING)
    return outcome(
        "truncation",
        warns=max(share, most) > _MOST_TRUNCATED or uneven,
        share=share,
        max_length=max_length,
        longest=longest,
        label=labels[worst],
        share_of_label=most,
    )


def check_padding(
    lengths: npt.NDArray[np.int64], shape: BatchShape, seed: int, *, group_by_length: bool, packed: bool
) -> Check:
    """Warn if a large part of the batches would be padding.

    ``lengths``: (N,) tokens of the training comments; ``packed``: the forward pass takes texts without padding.
    """
    if packed:
        return outcome("padding", is_packed=True)
    steps = epoch_order(lengths, shape.global_size, seed, 0, group_by_length)[:_STEPS_LOOKED_AT]
    num_tokens = num_padded = 0
    for rows in steps:
        for rank in range(shape.num_processes):
            for part in micro_batches(rows, shape, rank):
                here = lengths[part]
                num_tokens += int(here.sum())
                num_padded += int(here.max()) * len(part) if len(part) else 0
    share = 1 - num_tokens / max(1, num_padded)
    return outcome(
        "padding",
        warns=share > _MOST_PADDING,
        is_packed=False,
        share=share,
        group_by_length=group_by_length,
    )


def check_schedule(
    schedule: Schedule, shape: BatchShape, num_comments: int, epochs: int, warmup_fraction: float
) -> Check:
    """Fail unless the learning rate reaches its peak, and its end with the last step; warn of very few steps.

    ``warmup_fraction`` is of all steps, as asked for.
    """
    num_steps = shape.num_steps(num_comments) * epochs
    places = (0, schedule.num_warmup_steps, num_steps - 1, num_steps)
    rates = [schedule.learning_rate(step) for step in places]
    no_warmup = warmup_fraction > 0 and not schedule.num_warmup_steps
    all_warmup = schedule.num_warmup_steps >= num_steps
    return outcome(
        "schedule",
        fails=schedule.num_steps != num_steps or rates[3] != schedule.final or rates[1] != schedule.peak or all_warmup,
        warns=num_steps < _FEWEST_STEPS or no_warmup,
        num_steps=num_steps,
        comments_per_step=shape.global_size,
        learning_rates=rates,
        num_warmup_steps=schedule.num_warmup_steps,
        end=schedule.num_steps,
        warmup_fraction=warmup_fraction,
    )


def check_optimizer(name: str, schedule: Schedule) -> list[Check]:
    """Report what the learning rate means to the optimizer, and warn if it is unusual; empty for AdamW."""
    unusual = {
        "adafactor": schedule.peak < _SMALLEST_SHARE,
        "schedule_free": not schedule.num_warmup_steps,
        "muon": False,
    }
    if name not in unusual:
        return []
    return [outcome("optimizer", warns=unusual[name], optimizer=name, learning_rate=schedule.peak)]


def check_label_weights(weights: npt.NDArray[np.float64], labels: Sequence[str]) -> Check:
    """Warn if one label dominates the loss, by the factors (L,) on each: inverse frequency favours rare labels."""
    heaviest, lightest = int(np.argmax(weights)), int(np.argmin(weights))
    ratio, part = float(weights[heaviest] / weights[lightest]), float(weights[heaviest] / weights.sum())
    return outcome(
        "loss weights",
        fails=not bool(np.isfinite(weights).all()),
        warns=ratio > _MOST_UNEVEN or (part > _LARGEST_PART and len(labels) > 1),
        heaviest=labels[heaviest],
        lightest=labels[lightest],
        ratio=ratio,
        share=part,
    )


def check_positive_weights(weights: npt.NDArray[np.float64], labels: Sequence[str]) -> Check:
    """Warn if a positive comment counts as much as hundreds of negative ones, by the factors (L,) on each label."""
    heaviest = int(np.argmax(weights))
    return outcome(
        "loss weights",
        fails=not bool(np.isfinite(weights).all()),
        warns=float(weights[heaviest]) > _MOST_UNEVEN,
        heaviest=labels[heaviest],
        positive_weight=float(weights[heaviest]),
    )


def check_regularization(settings: RegularizationSettings, num_trained: int, *, drops: bool) -> list[Check]:
    """Report the time and memory that regularization costs; warn if it has no effect; empty if all is off.

    ``num_trained`` parameters include those that are unfrozen later; ``drops``: the model drops something in training.
    """
    if not settings.r_drop and settings.adversarial == settings.average == "none":
        return []
    return [
        outcome(
            "regularization",
            warns=bool(settings.r_drop) and not drops,
            r_drop=settings.r_drop,
            drops=drops,
            adversarial=settings.adversarial,
            adversarial_start=max(settings.adversarial_start, settings.unfreeze_fraction),  # embedding unfrozen last
            adversarial_bytes=2 * FLOAT_BYTES * num_trained,
            average=settings.average,
            average_bytes=FLOAT_BYTES * num_trained,
        )
    ]


def check_effect(recipe: Recipe) -> list[Check]:
    """Warn of changed settings that the run of an encoder does not read; empty if there are none."""
    own, others = recipe.flat(), Recipe().flat()
    unread = [key for key, is_read in _readers(recipe).items() if not is_read and own[key] != others[key]]
    if not unread:
        return []
    return [outcome("no effect", warns=True, settings=unread)]


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
