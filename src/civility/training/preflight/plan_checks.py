"""Preflight checks of the training plan: truncation, padding, schedule, optimizer, loss weights, unused settings."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from civility.arrays import Targets
from civility.audit.counts import truncated_share_by_label
from civility.engine.step_plan import BatchShape, Schedule, epoch_order, micro_batches
from civility.plain_text import count
from civility.recipe import Recipe
from civility.recipe.settings import RegularizationSettings
from civility.scoring.tokens import Tokens
from civility.training.preflight.check import Check, outcome
from civility.training.preflight.machine_checks import gib

_MOST_TRUNCATED = 0.2
_MUCH_MORE_THAN_ALL, _WORTH_TELLING = 3.0, 0.05
_MOST_PADDING = 0.25
_STEPS_LOOKED_AT = 2_000
_FEWEST_STEPS = 50
_SMALLEST_SHARE = 1e-4
_MOST_UNEVEN, _LARGEST_PART = 100.0, 0.6
_BYTES_PER_NUMBER = 4


def check_truncation(tokens: Tokens, targets: Targets, labels: Sequence[str], max_length: int, longest: int) -> Check:
    """Warn if many comments are truncated, or those of one label much more often than others.

    Parameters
    ----------
    tokens, targets : of the training comments
    labels : (L,)
    max_length : in tokens
    longest : most tokens that the model takes
    """
    share = tokens.num_truncated / max(1, len(tokens))
    by_label = [
        one.num_truncated / max(1, one.num_measured) for one in truncated_share_by_label(targets, tokens.truncated)
    ]
    worst = int(np.argmax(by_label))
    most = by_label[worst]
    found = f"{share:.1%} of the comments are truncated at {max_length} tokens"
    if most:
        found += f", of {labels[worst]} {most:.1%}"
    uneven = most > max(_MUCH_MORE_THAN_ALL * share, _WORTH_TELLING)
    longer = min(2 * max_length, longest)
    return outcome(
        "truncation",
        found,
        warns=max(share, most) > _MOST_TRUNCATED or uneven,
        remedy=f"--set data.max_length={longer} reads more of them, and takes longer"
        if longer > max_length
        else f"{longest} is the most that this model can read: choose one for longer texts",
    )


def check_padding(
    lengths: npt.NDArray[np.int64], shape: BatchShape, seed: int, *, group_by_length: bool, packed: bool
) -> Check:
    """Warn if a large part of the batches would be padding.

    Parameters
    ----------
    lengths : (N,) tokens of the training comments
    shape, seed, group_by_length : what the order of the first epoch depends on
    packed : whether the forward pass takes texts without padding
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
    return outcome(
        "padding",
        f"{share:.1%} of the tokens in a batch",
        warns=share > _MOST_PADDING,
        remedy="use a smaller training.batch_size with more training.gradient_accumulation"
        if group_by_length
        else "--set training.group_by_length=true puts comments of like length together",
    )


def check_schedule(
    schedule: Schedule, shape: BatchShape, num_comments: int, epochs: int, warmup_fraction: float
) -> Check:
    """Fail unless the learning rate reaches its peak, and its end with the last step; warn of very few steps.

    Parameters
    ----------
    schedule : of the learning rate
    shape, num_comments, epochs : from which the loop counts its steps
    warmup_fraction : of all steps, as asked for
    """
    num_steps = shape.num_steps(num_comments) * epochs
    places = (0, schedule.num_warmup_steps, num_steps - 1, num_steps)
    rates = [schedule.learning_rate(step) for step in places]
    found = (
        f"{count(num_steps, 'step')} of {shape.global_size:,} comments; learning rate {rates[0]:.3g} → "
        f"{rates[1]:.3g} at step {schedule.num_warmup_steps + 1:,} → {rates[2]:.2g} → {rates[3]:.2g}"
    )
    if schedule.num_steps != num_steps:
        found = f"the schedule ends at step {schedule.num_steps:,}, training at step {num_steps:,}; {found}"
    no_warmup = warmup_fraction > 0 and not schedule.num_warmup_steps
    if no_warmup:
        found += f"; warm-up of {warmup_fraction:.1%} is less than a step"
    all_warmup = schedule.num_warmup_steps >= num_steps
    if all_warmup:
        found += f"; the warm-up of {count(schedule.num_warmup_steps, 'step')} leaves nothing of the run"
    return outcome(
        "schedule",
        found,
        fails=schedule.num_steps != num_steps or rates[3] != schedule.final or rates[1] != schedule.peak or all_warmup,
        warns=num_steps < _FEWEST_STEPS or no_warmup,
        remedy="--set training.warmup_steps=0 warms up over training.warmup_fraction of the steps"
        if all_warmup
        else "so few steps hardly train: more training.epochs, or a smaller training.batch_size",
    )


def check_optimizer(name: str, schedule: Schedule) -> list[Check]:
    """Report what the learning rate means to the optimizer, and warn if it is unusual; empty for AdamW.

    Parameters
    ----------
    name : "adamw", "adafactor", "muon" or "schedule_free"
    schedule : of the learning rate
    """
    rate = f"{schedule.peak:.3g}"
    if name == "adafactor":
        return [
            outcome(
                "optimizer",
                f"Adafactor: a step is at most {rate} of each parameter's root mean square",
                warns=schedule.peak < _SMALLEST_SHARE,
                remedy="so small a share hardly trains: --set training.learning_rate=1e-3 is usual",
            )
        ]
    if name == "schedule_free":
        return [
            outcome(
                "optimizer",
                f"schedule-free AdamW: at {rate} to the end, and the mean of the weights is validated",
                warns=not schedule.num_warmup_steps,
                remedy="its authors never go without a warm-up: --set training.warmup_fraction=0.1",
            )
        ]
    if name == "muon":
        return [outcome("optimizer", f"Muon for the layers' matrices, with steps as large as AdamW's at {rate}")]
    return []


def check_label_weights(weights: npt.NDArray[np.float64], labels: Sequence[str]) -> Check:
    """Warn if one label dominates the loss: weights by inverse frequency favour rare labels.

    Parameters
    ----------
    weights : (L,) factors on the loss of each label
    """
    heaviest, lightest = int(np.argmax(weights)), int(np.argmin(weights))
    ratio, part = float(weights[heaviest] / weights[lightest]), float(weights[heaviest] / weights.sum())
    found = "every label weighs the same"
    if ratio > 1:
        found = f"{labels[heaviest]} weighs {ratio:.3g} times as much as {labels[lightest]}, {part:.0%} of the whole"
    return outcome(
        "loss weights",
        found,
        fails=not bool(np.isfinite(weights).all()),
        warns=ratio > _MOST_UNEVEN or (part > _LARGEST_PART and len(labels) > 1),
        remedy="--set training.weight_power=0.5 takes the root of the weights",
    )


def check_positive_weights(weights: npt.NDArray[np.float64], labels: Sequence[str]) -> Check:
    """Warn if a positive comment of a label counts as much as hundreds of negative ones.

    Parameters
    ----------
    weights : (L,) factors on the positive part of each label's loss
    """
    heaviest = int(np.argmax(weights))
    return outcome(
        "loss weights",
        f"a positive comment counts up to {weights[heaviest]:.3g} times as much as a negative one ({labels[heaviest]})",
        fails=not bool(np.isfinite(weights).all()),
        warns=float(weights[heaviest]) > _MOST_UNEVEN,
        remedy="--set training.weight_power=0.5 takes the root of the weights",
    )


def check_regularization(settings: RegularizationSettings, num_trained: int, *, drops: bool) -> list[Check]:
    """Report the time and memory that regularization costs; warn if it has no effect; empty if all is off.

    Parameters
    ----------
    settings : of the recipe
    num_trained : trained parameters, including those that are unfrozen later
    drops : whether the model drops anything in training
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
            f"{gib(2 * _BYTES_PER_NUMBER * num_trained)} for gradients set aside and a copy of the embedding"
        )
    if settings.average != "none":
        found.append(f"{settings.average} keeps {gib(_BYTES_PER_NUMBER * num_trained)} of averaged weights")
    if not found:
        return []
    return [outcome("regularization", "; ".join(found), warns=bool(remedy), remedy=remedy)]


def check_effect(recipe: Recipe) -> list[Check]:
    """Warn of changed settings that the run of an encoder does not read; empty if there are none."""
    own, others = recipe.flat(), Recipe().flat()
    unread = [key for key, is_read in _readers(recipe).items() if not is_read and own[key] != others[key]]
    if not unread:
        return []
    return [
        outcome(
            "no effect",
            f"changed, and read by nothing that this recipe chooses: {', '.join(unread)}",
            warns=True,
            remedy="choose what reads them (docs/reference/methods.md), or leave them out",
        )
    ]


def _readers(recipe: Recipe) -> dict[str, bool]:
    """Return, for each setting that refines another, whether the other one is on."""
    loss, more, schedule = recipe.training.loss, recipe.loss, recipe.training.schedule
    other = recipe.regularization
    weighs = loss in ("weighted_bce", "pos_weight_bce") or (more.weigh_labels and loss in ("focal", "asymmetric"))
    return {
        "training.weight_power": weighs,
        "training.sampling_power": recipe.training.sampling == "class_aware",
        "data.augmentation_share": bool(recipe.data.augmentation),
        "loss.class_weights": weighs,
        "loss.effective_beta": weighs and more.class_weights == "effective_number",
        "loss.weigh_labels": loss in ("focal", "asymmetric"),
        **dict.fromkeys(("loss.focal_gamma", "loss.focal_alpha"), loss == "focal"),
        **dict.fromkeys(
            ("loss.asymmetric_gamma_positive", "loss.asymmetric_gamma_negative", "loss.asymmetric_margin"),
            loss == "asymmetric",
        ),
        **dict.fromkeys(("optimizer.muon_momentum", "optimizer.muon_iterations"), recipe.training.optimizer == "muon"),
        **dict.fromkeys(
            ("optimizer.adafactor_beta2_decay", "optimizer.adafactor_clip"), recipe.training.optimizer == "adafactor"
        ),
        **dict.fromkeys(
            ("training.adam_beta1", "training.adam_beta2", "training.adam_epsilon"),
            recipe.training.optimizer != "adafactor",
        ),
        "training.warmup_fraction": not recipe.training.warmup_steps,
        "schedule.power": schedule == "polynomial",
        "schedule.final_share": schedule in ("cosine", "polynomial", "one_cycle"),
        "schedule.start_share": schedule == "one_cycle",
        "regularization.ema_decay": other.average == "ema",
        "regularization.swa_start": other.average == "swa",
        **{key: recipe.is_linear for key in recipe.flat() if key.startswith("linear.")},
        **dict.fromkeys(
            ("regularization.adversarial_size", "regularization.adversarial_start"), other.adversarial != "none"
        ),
    }
