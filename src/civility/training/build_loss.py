"""What a run minimises: the loss that its recipe asks for, with the weights that its training targets give."""

import numpy as np

from civility.arrays import Targets
from civility.engine.loss import (
    Asymmetric,
    CrossEntropy,
    EffectiveNumber,
    ElementLoss,
    Focal,
    Loss,
    build_loss,
    positive_share,
)
from civility.recipe import Recipe


def loss_of(recipe: Recipe, targets: Targets) -> Loss:
    """Return the loss of a recipe.

    Parameters
    ----------
    targets : (N, L) of the training comments; NaN is unknown
    """
    settings, effective = recipe.loss, None
    if settings.class_weights == "effective_number":
        effective = EffectiveNumber(settings.effective_beta, (~np.isnan(targets)).sum(axis=0))
    return build_loss(
        recipe.training.loss,
        positive_share(targets),
        recipe.training.weight_power,
        elements=_elements(recipe),
        effective=effective,
        weigh_labels=settings.weigh_labels,
        smoothing=settings.label_smoothing,
    )


def _elements(recipe: Recipe) -> ElementLoss:
    settings = recipe.loss
    if recipe.training.loss == "focal":
        return Focal(settings.focal_gamma, None if settings.focal_alpha < 0 else settings.focal_alpha)
    if recipe.training.loss == "asymmetric":
        return Asymmetric(
            settings.asymmetric_gamma_positive, settings.asymmetric_gamma_negative, settings.asymmetric_margin
        )
    return CrossEntropy()
