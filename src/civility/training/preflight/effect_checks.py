"""A check of what a recipe asks for and nothing takes up: what refines a choice that was not made."""

from civility.recipe import Recipe
from civility.training.preflight.check import Check, judge


def check_effect(recipe: Recipe) -> list[Check]:
    """Warn of settings that were changed and have no part in the run of an encoder; nothing where there are none."""
    own, others = recipe.flat(), Recipe().flat()
    unread = [key for key, is_read in _readers(recipe).items() if not is_read and own[key] != others[key]]
    if not unread:
        return []
    return [
        judge(
            "no effect",
            f"changed, and read by nothing that this recipe chooses: {', '.join(unread)}",
            warns=True,
            remedy="choose what reads them (docs/reference/methods.md), or leave them out",
        )
    ]


def _readers(recipe: Recipe) -> dict[str, bool]:
    """Return, of each setting that refines another, whether that one is on."""
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
